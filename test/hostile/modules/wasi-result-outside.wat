;; The place for the answer is three bytes short.
(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "describe") (result i32) (i32.const 0))
  (func (export "execute") (result i32)
    (drop (call $time (i32.const 0) (i64.const 0) (i32.const 65533)))
    (i32.const 0)))
