;; Keeps the first word of the first input it ever saw wherever a module can keep something: memory, an exported global
;; and a page that it grows. Replies with what it kept.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "input_load_u64" (func $word (param i64) (result i64)))
  (import "extism:host/env" "store_u64" (func $store (param i64 i64)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (memory (export "memory") 1)
  (global $kept (export "kept") (mut i64) (i64.const 0))
  (func (export "describe") (result i32) (i32.const 0))
  (func (export "execute") (result i32) (local $reply i64)
    (if (i64.eqz (i64.load (i32.const 40000))) (then (i64.store (i32.const 40000) (call $word (i64.const 0)))))
    (if (i64.eqz (global.get $kept)) (then (global.set $kept (call $word (i64.const 0)))))
    (if (i32.eq (memory.size) (i32.const 1))
      (then
        (drop (memory.grow (i32.const 1)))
        (i64.store (i32.const 65536) (call $word (i64.const 0)))))
    (local.set $reply (call $alloc (i64.const 24)))
    (call $store (local.get $reply) (i64.load (i32.const 40000)))
    (call $store (i64.add (local.get $reply) (i64.const 8)) (global.get $kept))
    (call $store (i64.add (local.get $reply) (i64.const 16)) (i64.load (i32.const 65536)))
    (call $output (local.get $reply) (i64.const 24))
    (i32.const 0)))
