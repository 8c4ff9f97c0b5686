;; Spins before any call: in its start function.
(module
  (memory (export "memory") 1)
  (func $spin (loop $forever (br $forever)))
  (start $spin)
  (func (export "describe") (result i32) (i32.const 0))
  (func (export "execute") (result i32) (i32.const 0)))
