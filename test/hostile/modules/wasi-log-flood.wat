;; Writes one byte to its standard output for ever, and takes no error for an answer.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "describe") (result i32) (i32.const 0))
  (func (export "execute") (result i32)
    (i32.store (i32.const 20) (i32.const 1))
    (loop $more
      (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 0)))
      (br $more))
    (i32.const 0)))
