;; What to write begins within its memory and is 4 GiB long.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "describe") (result i32) (i32.const 0))
  (func (export "execute") (result i32)
    (i32.store (i32.const 16) (i32.const 64))
    (i32.store (i32.const 20) (i32.const -1))
    (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 0)))
    (i32.const 0)))
