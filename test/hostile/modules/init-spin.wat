;; Spins before any call: where a runtime of another language is set up.
(module
  (memory (export "memory") 1)
  (func (export "_initialize") (loop $forever (br $forever)))
  (func (export "describe") (result i32) (i32.const 0))
  (func (export "execute") (result i32) (i32.const 0)))
