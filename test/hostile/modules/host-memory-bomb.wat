;; Asks its host for 8 x 256 MiB and writes to where the pieces would be, whether it got them or not.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
  (memory (export "memory") 1)
  (func (export "describe") (result i32) (i32.const 0))
  (func (export "execute") (result i32) (local $i i64) (local $at i64) (local $end i64)
    (loop $pieces
      (local.set $at (call $alloc (i64.const 268435456)))
      (local.set $end (i64.add (local.get $at) (i64.const 268435456)))
      (loop $touch
        (call $store (local.get $at) (i32.const 1))
        (local.set $at (i64.add (local.get $at) (i64.const 4096)))
        (br_if $touch (i64.lt_u (local.get $at) (local.get $end))))
      (local.set $i (i64.add (local.get $i) (i64.const 1)))
      (br_if $pieces (i64.lt_u (local.get $i) (i64.const 8))))
    (i32.const 0)))
