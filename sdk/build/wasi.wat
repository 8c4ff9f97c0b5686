;; The operating system as the JavaScript engine sees it inside a sealed plugin: a clock that stands still and nothing
;; else. It answers the six WASI imports of quickjs-wasi, so that none of them is left in the sealed module.
(module
  (import "qjs" "memory" (memory 1))

  ;; Nanoseconds since 1970. Set by the prelude from the call envelope; until then (module scope, at build time)
  ;; 2000-01-01T00:00:00Z, so that a build gives the same bytes on every day.
  (global $clock (export "interlock_clock") (mut i64) (i64.const 946684800000000000))

  (func (export "clock_time_get") (param $id i32) (param $precision i64) (param $out i32) (result i32)
    (i64.store (local.get $out) (global.get $clock))
    (i32.const 0))

  ;; Asked for once, by the C library, at build time. Math.random is replaced by the prelude.
  (func (export "random_get") (param $out i32) (param $length i32) (result i32)
    (memory.fill (local.get $out) (i32.const 0x42) (local.get $length))
    (i32.const 0))

  ;; There are no files: EBADF.
  (func (export "fd_close") (param i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_seek") (param i32 i64 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_write") (param i32 i32 i32 i32) (result i32) (i32.const 8))
)
