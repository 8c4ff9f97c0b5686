;; Never returns and never calls its host, so only the hard deadline can end it.
(module
  (memory (export "memory") 1)
  (func (export "describe") (result i32) (i32.const 0))
  (func (export "execute") (result i32)
    (loop $forever (br $forever))
    (i32.const 0)))
