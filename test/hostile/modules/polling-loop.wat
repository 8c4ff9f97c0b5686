;; Polls its soft deadline as an interpreter does, then replies as if it had not passed.
(module
  (import "extism:host/env" "input_offset" (func $input (result i64)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (import "extism:host/env" "log_info" (func $log (param i64)))
  (import "interlock:host/v1" "interrupted" (func $interrupted (result i32)))
  (memory (export "memory") 1)
  (func (export "describe") (result i32) (i32.const 0))
  (func (export "execute") (result i32)
    (call $log (call $input))
    (loop $more (br_if $more (i32.eqz (call $interrupted))))
    (call $output (call $input) (i64.const 1))
    (i32.const 0)))
