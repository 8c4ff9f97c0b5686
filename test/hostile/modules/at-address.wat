;; Does one thing to its host with one number: its input is a letter and the number as 16 hexadecimal digits. Replies `done`
;; where it is let, unless what it does is to reply.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "free" (func $free (param i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "load_u8" (func $load8 (param i64) (result i32)))
  (import "extism:host/env" "load_u64" (func $load64 (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store8 (param i64 i32)))
  (import "extism:host/env" "store_u64" (func $store64 (param i64 i64)))
  (import "extism:host/env" "input_load_u8" (func $input (param i64) (result i32)))
  (import "extism:host/env" "input_offset" (func $inputAt (result i64)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (import "extism:host/env" "error_set" (func $error (param i64)))
  (import "extism:host/env" "log_info" (func $log (param i64)))
  (import "extism:host/env" "var_get" (func $get (param i64) (result i64)))
  (import "extism:host/env" "var_set" (func $set (param i64 i64)))
  (import "interlock:host/v1" "http" (func $http (param i64) (result i64)))
  (memory (export "memory") 1)
  (func $number (result i64) (local $i i64) (local $digit i32) (local $number i64)
    (loop $more
      (local.set $digit (call $input (i64.add (local.get $i) (i64.const 1))))
      (local.set $digit
        (i32.sub (local.get $digit) (select (i32.const 87) (i32.const 48) (i32.ge_u (local.get $digit) (i32.const 97)))))
      (local.set $number (i64.or (i64.shl (local.get $number) (i64.const 4)) (i64.extend_i32_u (local.get $digit))))
      (local.set $i (i64.add (local.get $i) (i64.const 1)))
      (br_if $more (i64.lt_u (local.get $i) (i64.const 16))))
    (local.get $number))
  (func $is (param $letter i32) (result i32) (i32.eq (call $input (i64.const 0)) (local.get $letter)))
  (func $done (local $to i64)
    (local.set $to (call $alloc (i64.const 4)))
    (call $store8 (local.get $to) (i32.const 100))
    (call $store8 (i64.add (local.get $to) (i64.const 1)) (i32.const 111))
    (call $store8 (i64.add (local.get $to) (i64.const 2)) (i32.const 110))
    (call $store8 (i64.add (local.get $to) (i64.const 3)) (i32.const 101))
    (call $output (local.get $to) (i64.const 4)))
  ;; A block that was given back, twice.
  (func $freed (result i64) (local $block i64)
    (local.set $block (call $alloc (i64.const 8)))
    (call $store64 (local.get $block) (i64.const -1))
    (call $free (local.get $block))
    (call $free (local.get $block))
    (local.get $block))
  (func (export "describe") (result i32) (i32.const 0))
  (func (export "execute") (result i32) (local $n i64) (local $block i64)
    (local.set $n (call $number))
    ;; a: a block of so many bytes
    (if (call $is (i32.const 97)) (then (drop (call $alloc (local.get $n)))))
    ;; m: so many blocks
    (if (call $is (i32.const 109))
      (then (loop $more
        (drop (call $alloc (i64.const 1)))
        (local.set $n (i64.sub (local.get $n) (i64.const 1)))
        (br_if $more (i64.ne (local.get $n) (i64.const 0))))))
    ;; f: gives back what is there
    (if (call $is (i32.const 102)) (then (call $free (local.get $n))))
    ;; r, R: reads there
    (if (call $is (i32.const 114)) (then (drop (call $load8 (local.get $n)))))
    (if (call $is (i32.const 82)) (then (drop (call $load64 (local.get $n)))))
    ;; w, W: writes there
    (if (call $is (i32.const 119)) (then (call $store8 (local.get $n) (i32.const 65))))
    (if (call $is (i32.const 87)) (then (call $store64 (local.get $n) (i64.const -1))))
    ;; o, n, v, h: takes what is there for a reply, a line of log, the name of a variable, a request
    (if (call $is (i32.const 111)) (then (call $output (local.get $n) (i64.const 8)) (return (i32.const 0))))
    (if (call $is (i32.const 110)) (then (call $log (local.get $n))))
    (if (call $is (i32.const 118)) (then (drop (call $get (local.get $n)))))
    (if (call $is (i32.const 104)) (then (drop (call $http (local.get $n)))))
    ;; s: replies with a new block of so many bytes, as it came
    (if (call $is (i32.const 115))
      (then (call $output (call $alloc (local.get $n)) (local.get $n)) (return (i32.const 0))))
    ;; e: an error at that address. E: an error of so many bytes
    (if (call $is (i32.const 101)) (then (call $error (local.get $n)) (return (i32.const 1))))
    (if (call $is (i32.const 69)) (then (call $error (call $alloc (local.get $n))) (return (i32.const 1))))
    ;; x, y: reads a block that was given back, and logs it
    (if (call $is (i32.const 120)) (then (drop (call $load64 (call $freed)))))
    (if (call $is (i32.const 121)) (then (call $log (call $freed))))
    ;; V: so many variables. L: one of so many bytes. N: one whose name has so many bytes
    (if (call $is (i32.const 86))
      (then (loop $more
        (local.set $block (call $alloc (i64.const 8)))
        (call $store64 (local.get $block) (local.get $n))
        (call $set (local.get $block) (call $inputAt))
        (local.set $n (i64.sub (local.get $n) (i64.const 1)))
        (br_if $more (i64.ne (local.get $n) (i64.const 0))))))
    (if (call $is (i32.const 76)) (then (call $set (call $inputAt) (call $alloc (local.get $n)))))
    (if (call $is (i32.const 78)) (then (call $set (call $alloc (local.get $n)) (call $inputAt))))
    ;; T: a reply, and then another one
    (if (call $is (i32.const 84)) (then (call $output (call $inputAt) (i64.const 17))))
    (call $done)
    ;; B, C, X: a reply, and an error, a code that says no, a trap
    (if (call $is (i32.const 66)) (then (call $error (call $inputAt))))
    (if (call $is (i32.const 67)) (then (return (i32.const 1))))
    (if (call $is (i32.const 88)) (then (unreachable)))
    (i32.const 0)))
