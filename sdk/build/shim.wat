;; The bridge between the JavaScript engine (quickjs-wasi, merged in as "qjs") and the host of a sealed plugin.
;;
;; Towards the host it speaks the Extism block ABI: text goes in and out as blocks that are copied eight bytes at a time.
;; Towards JavaScript it gives the prelude six functions (see host_call) and calls its one entry, `__interlock`:
;;   __interlock(0, envelope text)  begin an execute call      __interlock(1)  describe, as JSON text
;;   __interlock(2, fault)          end it: the reply as JSON text; `fault` is undefined or what escaped JavaScript
;;   __interlock(3, fault)          the host ended it: a reply for the author
;; What it returns becomes the output and 0; what it throws, the error and 1.
;;
;; All state lies in the memory and in mutable globals that are exported, because the host puts both back between calls.
(module
  (import "qjs" "memory" (memory 1))
  (import "qjs" "wasm_malloc" (func $malloc (param i32) (result i32)))
  (import "qjs" "wasm_free" (func $free (param i32)))
  (import "qjs" "qjs_set_memory_limit" (func $set_memory_limit (param i32)))
  (import "qjs" "qjs_get_global" (func $get_global (result i32)))
  (import "qjs" "qjs_get_prop_string" (func $get_property (param i32 i32) (result i32)))
  (import "qjs" "qjs_call" (func $call (param i32 i32 i32 i32) (result i32)))
  (import "qjs" "qjs_free_value" (func $free_value (param i32)))
  (import "qjs" "qjs_new_number" (func $new_number (param f64) (result i32)))
  (import "qjs" "qjs_new_string" (func $new_string (param i32 i32) (result i32)))
  (import "qjs" "qjs_get_undefined" (func $undefined (result i32)))
  (import "qjs" "qjs_get_float64" (func $number_of (param i32) (result f64)))
  (import "qjs" "qjs_get_string_len" (func $chars_of (param i32 i32) (result i32)))
  (import "qjs" "qjs_free_cstring" (func $free_chars (param i32)))
  (import "qjs" "qjs_is_exception" (func $is_exception (param i32) (result i32)))
  (import "qjs" "qjs_get_exception" (func $take_exception (result i32)))
  (import "qjs" "qjs_is_job_pending" (func $job_pending (result i32)))
  (import "qjs" "qjs_execute_pending_job" (func $run_job (result i32)))
  (import "wasi_snapshot_preview1" "interlock_clock" (global $clock (mut i64)))

  (import "extism:host/env" "alloc" (func $block_alloc (param i64) (result i64)))
  (import "extism:host/env" "length" (func $block_length (param i64) (result i64)))
  (import "extism:host/env" "load_u8" (func $block_load8 (param i64) (result i32)))
  (import "extism:host/env" "load_u64" (func $block_load64 (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $block_store8 (param i64 i32)))
  (import "extism:host/env" "store_u64" (func $block_store64 (param i64 i64)))
  (import "extism:host/env" "input_offset" (func $input (result i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "error_set" (func $error_set (param i64)))
  (import "extism:host/env" "log_debug" (func $log_debug (param i64)))
  (import "extism:host/env" "log_info" (func $log_info (param i64)))
  (import "extism:host/env" "log_warn" (func $log_warn (param i64)))
  (import "extism:host/env" "log_error" (func $log_error (param i64)))
  (import "interlock:host/v1" "http" (func $http (param i64) (result i64)))
  (import "interlock:host/v1" "interrupted" (func $host_interrupted (result i32)))

  ;; How often the engine asked again after the host had ended the call; 0 while the call may go on.
  (global $overrun (export "interlock_overrun") (mut i32) (i32.const 0))

  ;; --- text between JavaScript and blocks ---

  ;; Bytes at $from to a new block.
  (func $block_of_bytes (param $from i32) (param $length i32) (result i64) (local $block i64) (local $at i32)
    (local.set $block (call $block_alloc (i64.extend_i32_u (local.get $length))))
    (block $words_done
      (loop $words
        (br_if $words_done (i32.gt_u (i32.add (local.get $at) (i32.const 8)) (local.get $length)))
        (call $block_store64
          (i64.add (local.get $block) (i64.extend_i32_u (local.get $at)))
          (i64.load align=1 (i32.add (local.get $from) (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br $words)))
    (block $bytes_done
      (loop $bytes
        (br_if $bytes_done (i32.ge_u (local.get $at) (local.get $length)))
        (call $block_store8
          (i64.add (local.get $block) (i64.extend_i32_u (local.get $at)))
          (i32.load8_u (i32.add (local.get $from) (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $bytes)))
    (local.get $block))

  ;; A block to a new JavaScript string. Traps when the memory of the cell is used up: there is nobody left to tell.
  (func $string_of_block (param $block i64) (result i32)
    (local $length i32) (local $to i32) (local $at i32) (local $value i32)
    (local.set $length (i32.wrap_i64 (call $block_length (local.get $block))))
    (local.set $to (call $malloc (i32.add (local.get $length) (i32.const 8))))
    (if (i32.eqz (local.get $to)) (then (unreachable)))
    (block $words_done
      (loop $words
        (br_if $words_done (i32.gt_u (i32.add (local.get $at) (i32.const 8)) (local.get $length)))
        (i64.store align=1
          (i32.add (local.get $to) (local.get $at))
          (call $block_load64 (i64.add (local.get $block) (i64.extend_i32_u (local.get $at)))))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br $words)))
    (block $bytes_done
      (loop $bytes
        (br_if $bytes_done (i32.ge_u (local.get $at) (local.get $length)))
        (i32.store8
          (i32.add (local.get $to) (local.get $at))
          (call $block_load8 (i64.add (local.get $block) (i64.extend_i32_u (local.get $at)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $bytes)))
    (local.set $value (call $new_string (local.get $to) (local.get $length)))
    (call $free (local.get $to))
    (local.get $value))

  ;; A JavaScript value, as text, to a new block; 0 when the engine had no memory for the text (an exception is set).
  (func $block_of_value (param $value i32) (result i64)
    (local $scratch i32) (local $chars i32) (local $length i32) (local $block i64)
    (local.set $scratch (call $malloc (i32.const 4)))
    (if (i32.eqz (local.get $scratch)) (then (unreachable)))
    (local.set $chars (call $chars_of (local.get $value) (local.get $scratch)))
    (local.set $length (i32.load (local.get $scratch)))
    (call $free (local.get $scratch))
    (if (i32.eqz (local.get $chars)) (then (return (i64.const 0))))
    (local.set $block (call $block_of_bytes (local.get $chars) (local.get $length)))
    (call $free_chars (local.get $chars))
    (local.get $block))

  ;; --- what JavaScript may ask of the host ---

  ;; Imported by the engine as env.host_call. The functions have one-letter names:
  ;;   c(ms) set the clock   h(request JSON) -> answer JSON   d(text) i(text) w(text) e(text) log
  ;; Returns 0 when an exception is pending in the engine.
  (func (export "host_call")
    (param $name i32) (param $name_length i32) (param $this i32) (param $argc i32) (param $argv i32) (result i32)
    (local $which i32) (local $argument i32) (local $block i64)
    (if (i32.eqz (local.get $argc)) (then (return (call $undefined))))
    (local.set $which (i32.load8_u (local.get $name)))
    (local.set $argument (i32.load (local.get $argv)))
    (if (i32.eq (local.get $which) (i32.const 0x63)) ;; c
      (then
        (global.set $clock
          (i64.mul (i64.trunc_sat_f64_s (call $number_of (local.get $argument))) (i64.const 1000000)))
        (return (call $undefined))))
    (local.set $block (call $block_of_value (local.get $argument)))
    (if (i64.eqz (local.get $block)) (then (return (i32.const 0))))
    (if (i32.eq (local.get $which) (i32.const 0x68)) ;; h
      (then
        ;; An ended call sends nothing, not even from code that runs while the stack unwinds.
        (if (global.get $overrun) (then (unreachable)))
        (return (call $string_of_block (call $http (local.get $block))))))
    (if (i32.eq (local.get $which) (i32.const 0x64)) (then (call $log_debug (local.get $block)))) ;; d
    (if (i32.eq (local.get $which) (i32.const 0x69)) (then (call $log_info (local.get $block)))) ;; i
    (if (i32.eq (local.get $which) (i32.const 0x77)) (then (call $log_warn (local.get $block)))) ;; w
    (if (i32.eq (local.get $which) (i32.const 0x65)) (then (call $log_error (local.get $block)))) ;; e
    (call $undefined))

  ;; Imported by the engine as env.host_interrupt and polled every 10 000 operations, also inside regular expressions.
  ;; The first refusal is an error that `catch` does not see, so that the author is told where the time went. Code that
  ;; still runs after it (a `return` method of an iterator that is being closed) gets a little more and then the trap.
  (func (export "host_interrupt") (result i32)
    (if (i32.eqz (global.get $overrun))
      (then (if (i32.eqz (call $host_interrupted)) (then (return (i32.const 0))))))
    (global.set $overrun (i32.add (global.get $overrun) (i32.const 1)))
    (if (i32.gt_u (global.get $overrun) (i32.const 16)) (then (unreachable)))
    (i32.const 1))

  ;; A rejection that nobody handled is no fault by itself; the reply tells how the action ended.
  (func (export "host_promise_rejection") (param i32 i32 i32))
  ;; A plugin is one script: there is nothing to import while it runs.
  (func (export "host_module_normalize") (param i32 i32) (result i32) (i32.const 0))
  (func (export "host_module_load") (param i32 i32) (result i32) (i32.const 0))
  ;; Local time is UTC.
  (func (export "host_get_timezone_offset") (param i32 i32) (result i32) (i32.const 0))

  ;; --- what the host may ask of the plugin ---

  ;; __interlock(op, argument); owns $argument.
  (func $enter (param $op f64) (param $argument i32) (result i32)
    (local $scratch i32) (local $global i32) (local $entry i32) (local $this i32) (local $number i32) (local $result i32)
    (local.set $scratch (call $malloc (i32.const 16)))
    (if (i32.eqz (local.get $scratch)) (then (unreachable)))
    (i64.store (local.get $scratch) (i64.const 0x6c7265746e695f5f)) ;; "__interl"
    (i32.store offset=8 (local.get $scratch) (i32.const 0x006b636f)) ;; "ock\0"
    (local.set $global (call $get_global))
    (local.set $entry (call $get_property (local.get $global) (local.get $scratch)))
    (local.set $this (call $undefined))
    (local.set $number (call $new_number (local.get $op)))
    (i32.store (local.get $scratch) (local.get $number))
    (i32.store offset=4 (local.get $scratch) (local.get $argument))
    (local.set $result (call $call (local.get $entry) (local.get $this) (i32.const 2) (local.get $scratch)))
    (call $free_value (local.get $argument))
    (call $free_value (local.get $number))
    (call $free_value (local.get $this))
    (call $free_value (local.get $entry))
    (call $free_value (local.get $global))
    (call $free (local.get $scratch))
    (local.get $result))

  ;; A text result to the output, an exception to the error. Returns what the export returns; owns $result.
  (func $end (param $result i32) (result i32) (local $block i64)
    (if (i32.eqz (call $is_exception (local.get $result)))
      (then
        (local.set $block (call $block_of_value (local.get $result)))
        (call $free_value (local.get $result))
        (if (i64.ne (local.get $block) (i64.const 0))
          (then
            (call $output_set (local.get $block) (call $block_length (local.get $block)))
            (return (i32.const 0))))))
    (local.set $block (call $block_of_value (call $take_exception)))
    (if (i64.ne (local.get $block) (i64.const 0)) (then (call $error_set (local.get $block))))
    (i32.const 1))

  (func (export "execute") (result i32) (local $result i32) (local $fault i32)
    (global.set $overrun (i32.const 0))
    ;; JavaScript has 24 MiB, and one more while the reply is written: a plugin that used up its own can still say so.
    (call $set_memory_limit (i32.const 0x1800000))
    (local.set $result (call $enter (f64.const 0) (call $string_of_block (call $input))))
    (block $done
      ;; `begin` catches what can be caught. What still comes out ended the call, and no job may run after it.
      (if (call $is_exception (local.get $result)) (then (local.set $fault (call $take_exception)) (br $done)))
      (loop $jobs
        ;; A promise may have caught the end of the call; no handler of it runs.
        (br_if $done (global.get $overrun))
        (br_if $done (i32.eqz (call $job_pending)))
        (if (i32.lt_s (call $run_job) (i32.const 0)) (then (local.set $fault (call $take_exception)) (br $done)))
        (br $jobs)))
    (if (i32.eqz (local.get $fault)) (then (local.set $fault (call $undefined))))
    (call $set_memory_limit (i32.const 0x1900000))
    (call $end (call $enter (select (f64.const 3) (f64.const 2) (global.get $overrun)) (local.get $fault))))

  (func (export "describe") (result i32)
    (call $end (call $enter (f64.const 1) (call $undefined))))
)
