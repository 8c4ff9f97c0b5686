;; Reads host memory far outside anything it was given.
(module
  (import "extism:host/env" "load_u64" (func $load (param i64) (result i64)))
  (memory (export "memory") 1)
  (func (export "describe") (result i32) (i32.const 0))
  (func (export "execute") (result i32) (drop (call $load (i64.const 1048576))) (i32.const 0)))
