;; Sends its input as a request, catches what its host throws, and spins.
(module
  (import "extism:host/env" "input_offset" (func $input (result i64)))
  (import "interlock:host/v1" "http" (func $http (param i64) (result i64)))
  (memory (export "memory") 1)
  (func (export "describe") (result i32) (i32.const 0))
  (func (export "execute") (result i32)
    (try (do (drop (call $http (call $input)))) (catch_all))
    (loop $forever (br $forever))
    (unreachable)))
