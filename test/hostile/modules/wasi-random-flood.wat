;; Asks for 4 KiB of randomness for ever, catches what its host throws, and then says that all is well.
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (import "extism:host/env" "input_offset" (func $input (result i64)))
  (import "extism:host/env" "input_length" (func $length (result i64)))
  (memory (export "memory") 1)
  (func (export "describe") (result i32) (i32.const 0))
  (func (export "execute") (result i32)
    (call $output (call $input) (call $length))
    (try
      (do (loop $more (drop (call $random (i32.const 0) (i32.const 4096))) (br $more)))
      (catch_all))
    (i32.const 0)))
