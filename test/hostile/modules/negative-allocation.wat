;; alloc(-1): a length that is no length.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (memory (export "memory") 1)
  (func (export "describe") (result i32) (i32.const 0))
  (func (export "execute") (result i32) (drop (call $alloc (i64.const -1))) (i32.const 0)))
