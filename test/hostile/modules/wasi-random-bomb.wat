;; Asks for 100 MB of randomness.
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "describe") (result i32) (i32.const 0))
  (func (export "execute") (result i32)
    (drop (call $random (i32.const 0) (i32.const 100000000)))
    (i32.const 0)))
