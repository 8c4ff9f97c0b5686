;; Hides the address of its first input in a global that nobody sees, and replies with what lies there now.
(module
  (import "extism:host/env" "input_offset" (func $input (result i64)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (memory (export "memory") 1)
  (global $first (mut i64) (i64.const 0))
  (func (export "describe") (result i32) (i32.const 0))
  (func (export "execute") (result i32)
    (if (i64.eqz (global.get $first)) (then (global.set $first (call $input))))
    (call $output (global.get $first) (i64.const 8))
    (i32.const 0)))
