;; Names an output that lies nowhere.
(module
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (memory (export "memory") 1)
  (func (export "describe") (result i32) (i32.const 0))
  (func (export "execute") (result i32)
    (call $output (i64.const 0x7777000000000000) (i64.const 5))
    (i32.const 0)))
