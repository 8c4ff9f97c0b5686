;; Takes its input for the name of a setting, and of a variable. Traps when there is one of that name, and replies with the
;; name otherwise.
(module
  (import "extism:host/env" "config_get" (func $config (param i64) (result i64)))
  (import "extism:host/env" "input_offset" (func $input (result i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (import "extism:host/env" "var_get" (func $variable (param i64) (result i64)))
  (memory (export "memory") 1)
  (func (export "describe") (result i32) (i32.const 0))
  (func (export "execute") (result i32)
    (if (i64.ne (call $config (call $input)) (i64.const 0)) (then (unreachable)))
    (if (i64.ne (call $variable (call $input)) (i64.const 0)) (then (unreachable)))
    (call $output (call $input) (call $length (call $input)))
    (i32.const 0)))
