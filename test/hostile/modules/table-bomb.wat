;; Grows a table as long as it can: tables are not memory, and without a maximum this ends the whole process.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u64" (func $store (param i64 i64)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (memory (export "memory") 1)
  (table $t 1 funcref)
  (data (i32.const 0) "{\"ok\":true,\"output\":\"capped\"}   {\"ok\":true,\"output\":\"beyond\"}   ")
  (func $reply (param $from i32) (local $to i64) (local $i i32)
    (local.set $to (call $alloc (i64.const 32)))
    (loop $copy
      (call $store (i64.add (local.get $to) (i64.extend_i32_u (local.get $i)))
                   (i64.load (i32.add (local.get $from) (local.get $i))))
      (local.set $i (i32.add (local.get $i) (i32.const 8)))
      (br_if $copy (i32.lt_u (local.get $i) (i32.const 32))))
    (call $output (local.get $to) (i64.const 29)))
  (func (export "describe") (result i32) (i32.const 0))
  (func (export "execute") (result i32)
    (loop $more
      (br_if $more (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1))))
    (call $reply (select (i32.const 32) (i32.const 0) (i32.gt_u (table.size $t) (i32.const 10000))))
    (i32.const 0)))
