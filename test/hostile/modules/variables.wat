;; Replies with its variable when it finds one, otherwise keeps the input there and replies with the input.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "input_offset" (func $input (result i64)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (import "extism:host/env" "var_get" (func $get (param i64) (result i64)))
  (import "extism:host/env" "var_set" (func $set (param i64 i64)))
  (memory (export "memory") 1)
  (func (export "describe") (result i32) (i32.const 0))
  (func (export "execute") (result i32) (local $name i64) (local $found i64)
    (local.set $name (call $alloc (i64.const 1)))
    (local.set $found (call $get (local.get $name)))
    (if (i64.eqz (local.get $found))
      (then
        (call $set (local.get $name) (call $input))
        (local.set $found (call $get (local.get $name)))))
    (call $output (local.get $found) (call $length (local.get $found)))
    (i32.const 0)))
