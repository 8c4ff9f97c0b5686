;; Well-behaved: sends its input as a request and replies with the answer.
(module
  (import "extism:host/env" "input_offset" (func $input (result i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (import "interlock:host/v1" "http" (func $http (param i64) (result i64)))
  (memory (export "memory") 1)
  (func (export "describe") (result i32) (i32.const 0))
  (func (export "execute") (result i32) (local $answer i64)
    (local.set $answer (call $http (call $input)))
    (call $output (local.get $answer) (call $length (local.get $answer)))
    (i32.const 0)))
