;; Puts the code of a module together again. `unpack.js` says what it works on, and lays out the memory:
;;
;;      0  where each stream is read, 4 bytes each
;;    256  the table of each stream, 4 bytes each: 2 bytes for each character, which are a byte, or from 256 on the table for
;;         the second character of a pair
;;    512  the stream of the immediates, by the opcode before them
;;    768  the same for constants, by the opcode after them
;;   1024  the kind of each opcode: see the numbers in `$instruction`
;;   1280  the natural alignment, by the opcode
;;   1536  how many immediates follow an opcode of two bytes, by the second
;;
;; The streams that it names are numbered: 0 opcodes, 1 declared locals, 2 alignments.
(module
  (memory (export "memory") 1)
  ;; The end of what is written.
  (global $end (export "end") (mut i32) (i32.const 0))
  ;; How deep the code is nested.
  (global $depth (mut i32) (i32.const 0))

  ;; The next byte of a stream, which is read again by the next one where `$step` is 0.
  (func $read (param $stream i32) (param $step i32) (result i32)
    (local $at i32)
    (local $value i32)
    (local.set $stream (i32.shl (local.get $stream) (i32.const 2)))
    (local.set $at (i32.load (local.get $stream)))
    (local.set $value
      (i32.load16_u
        (i32.add
          (i32.load offset=256 (local.get $stream))
          (i32.shl (i32.load8_u (local.get $at)) (i32.const 1)))))
    (if (i32.ge_u (local.get $value) (i32.const 256))
      (then
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $value
          (i32.load16_u
            (i32.add
              (local.get $value)
              (i32.shl (i32.load8_u (local.get $at)) (i32.const 1)))))))
    (if (local.get $step)
      (then (i32.store (local.get $stream) (i32.add (local.get $at) (i32.const 1)))))
    (local.get $value))

  (func $put (param $byte i32)
    (i32.store8 (global.get $end) (local.get $byte))
    (global.set $end (i32.add (global.get $end) (i32.const 1))))

  ;; Copies bytes of a stream.
  (func $take (export "take") (param $stream i32) (param $count i32)
    (loop $next
      (if (local.get $count)
        (then
          (call $put (call $read (local.get $stream) (i32.const 1)))
          (local.set $count (i32.sub (local.get $count) (i32.const 1)))
          (br $next)))))

  ;; Copies a number; gives it, if it is small and unsigned.
  (func $copy (param $stream i32) (result i32)
    (local $byte i32)
    (local $shift i32)
    (local $value i32)
    (loop $next
      (call $put (local.tee $byte (call $read (local.get $stream) (i32.const 1))))
      (local.set $value
        (i32.or
          (local.get $value)
          (i32.shl (i32.and (local.get $byte) (i32.const 127)) (local.get $shift))))
      (local.set $shift (i32.add (local.get $shift) (i32.const 7)))
      (br_if $next (i32.gt_u (local.get $byte) (i32.const 127))))
    (local.get $value))

  (func $copy_all (param $stream i32) (param $count i32)
    (loop $next
      (if (local.get $count)
        (then
          (drop (call $copy (local.get $stream)))
          (local.set $count (i32.sub (local.get $count) (i32.const 1)))
          (br $next)))))

  ;; Writes a number.
  (func $write (export "write") (param $value i32)
    (loop $next
      (if (i32.gt_u (local.get $value) (i32.const 127))
        (then
          (call $put (i32.or (local.get $value) (i32.const 128)))
          (local.set $value (i32.shr_u (local.get $value) (i32.const 7)))
          (br $next))))
    (call $put (local.get $value)))

  (func $instruction
    (local $opcode i32)
    (local $stream i32)
    (call $put (local.tee $opcode (call $read (i32.const 0) (i32.const 1))))
    (local.set $stream (i32.load8_u offset=512 (local.get $opcode)))
    (block $none (block $one (block $two (block $deeper (block $end (block $memory
    (block $table (block $constant (block $prefix (block $f32 (block $f64
      (br_table $none $one $two $deeper $end $memory $table $constant $prefix $f32 $f64
        (i32.load8_u offset=1024 (local.get $opcode))))
      ;; f64
      (call $take (local.get $stream) (i32.const 8))
      (return))
      ;; f32
      (call $take (local.get $stream) (i32.const 4))
      (return))
      ;; prefix
      (call $copy_all
        (local.get $stream)
        (i32.load8_u offset=1536 (call $copy (local.get $stream))))
      (return))
      ;; constant
      (local.set $stream (i32.load8_u offset=768 (call $read (i32.const 0) (i32.const 0))))
      (br $one))
      ;; table
      (call $copy_all
        (local.get $stream)
        (i32.add (call $copy (local.get $stream)) (i32.const 1)))
      (return))
      ;; memory
      (call $put
        (i32.xor
          (call $read (i32.const 2) (i32.const 1))
          (i32.load8_u offset=1280 (local.get $opcode))))
      (br $one))
      ;; end
      (global.set $depth (i32.sub (global.get $depth) (i32.const 1)))
      (return))
      ;; deeper
      (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
      (br $one))
      ;; two
      (drop (call $copy (local.get $stream))))
      ;; one
      (drop (call $copy (local.get $stream))))
    ;; none
  )

  (func $function
    (local $start i32)
    (local $size i32)
    (local.set $start (global.get $end))
    ;; Room for the length, which is known in the end.
    (global.set $end (i32.add (global.get $end) (i32.const 4)))
    (call $copy_all
      (i32.const 1)
      (i32.shl (call $copy (i32.const 1)) (i32.const 1)))
    (global.set $depth (i32.const 1))
    (loop $next
      (call $instruction)
      (br_if $next (global.get $depth)))
    (local.set $size
      (i32.sub (i32.sub (global.get $end) (local.get $start)) (i32.const 4)))
    (global.set $end (local.get $start))
    (call $write (local.get $size))
    (memory.copy
      (global.get $end)
      (i32.add (local.get $start) (i32.const 4))
      (local.get $size))
    (global.set $end (i32.add (global.get $end) (local.get $size))))

  (func (export "functions") (param $count i32)
    (loop $next
      (call $function)
      (br_if $next (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))))
