/**
 * The words that kernel and cell say over two pipes, and their bytes. Both sides import this file.
 *
 * A frame is `u32 length of the rest | u8 kind | u32 id | payload`, integers little-endian. `id` names the call (or,
 * for `load`, `unload` and `loaded`, the module) that the frame is about. Frames of one direction arrive in order.
 *
 * - F1 an announced length is checked against the direction's maximum before a byte is allocated for it.
 * - F2 the kernel's side trusts nothing that it decodes: a length inside a payload is checked against the payload.
 */
export const KIND = {
  /** kernel -> cell: `u8 sealed | wasm` */
  load: 1,
  /** kernel -> cell, no payload: forget the module. */
  unload: 2,
  /** kernel -> cell: `u32 module | u32 softDeadlineMs | u8 place in CELL_ENTRIES | envelope` */
  call: 3,
  /** kernel -> cell: JSON of an HttpAnswer; empty when the request is denied. */
  answer: 4,
  /** cell -> kernel, no payload: the first frame of a cell. */
  ready: 16,
  /** cell -> kernel: empty when the module compiled, else why not. */
  loaded: 17,
  /** cell -> kernel: JSON of an HttpRequest; the cell waits for `answer`. */
  http: 18,
  /** cell -> kernel: see `result-frame.ts`. */
  result: 19,
} as const;

/** Of the rest of a frame to a cell: a module (8 MiB) or an HTTP answer in JSON (1 MiB of text, escaped) must fit. */
export const TO_CELL_BYTES_MAX = 16 << 20;
/** Of the rest of a frame from a cell: reply and logs at their quotas must fit. */
export const FROM_CELL_BYTES_MAX = 2 << 20;

const LENGTH_BYTES = 4;
/** Where the payload begins in a frame. */
export const PAYLOAD_AT = LENGTH_BYTES + 5;

/** Of the payload of `call`, what stands before the envelope. */
export const CALL_HEAD_BYTES = 9;

export type Frame = { readonly kind: number; readonly id: number; readonly payload: Buffer };

/** Writes the head of a frame with `payloadBytes` of payload to the beginning of `target`. */
export function writeHead(target: Buffer, kind: number, id: number, payloadBytes: number): void {
  target.writeUInt32LE(PAYLOAD_AT - LENGTH_BYTES + payloadBytes, 0);
  target[LENGTH_BYTES] = kind;
  target.writeUInt32LE(id, LENGTH_BYTES + 1);
}

/** A frame whose payload is `fixedBytes` bytes, left for the caller to write at `PAYLOAD_AT`, then `text` in UTF-8. */
export function frameOf(kind: number, id: number, fixedBytes: number, text: string): Buffer {
  const payloadBytes = fixedBytes + Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(PAYLOAD_AT + payloadBytes);
  writeHead(frame, kind, id, payloadBytes);
  frame.write(text, PAYLOAD_AT + fixedBytes);
  return frame;
}

/**
 * Looks for one frame in `bytes` from `at` to `end`.
 * @returns its length in bytes with everything, 0 when more bytes must come, -1 when the announced length is illegal.
 */
export function frameLength(bytes: Buffer, at: number, end: number, bytesMax: number): number {
  if (end - at < LENGTH_BYTES) return 0;
  const rest = bytes.readUInt32LE(at);
  if (rest < PAYLOAD_AT - LENGTH_BYTES || rest > bytesMax) return -1;
  return end - at < LENGTH_BYTES + rest ? 0 : LENGTH_BYTES + rest;
}

/** @returns the frame of `length` bytes at `at`. Its payload is a view of `bytes`, not a copy. */
export const readFrame = (bytes: Buffer, at: number, length: number): Frame => ({
  kind: bytes[at + LENGTH_BYTES] ?? 0,
  id: bytes.readUInt32LE(at + LENGTH_BYTES + 1),
  payload: bytes.subarray(at + PAYLOAD_AT, at + length),
});

/**
 * Cuts what arrives from a cell into frames. Room for an unfinished frame grows with what has come of it, so a cell that
 * announces much and sends little costs little (F1), however small the pieces are in which it sends.
 * @returns a function that takes the next chunk and gives `false` once the stream is illegal or `onFrame` gave `false`.
 */
export function frameSplitter(bytesMax: number, onFrame: (frame: Frame) => boolean): (chunk: Buffer) => boolean {
  let kept = NOTHING;
  let keptBytes = 0;
  let wanted = 0;
  const keep = (chunk: Buffer): void => {
    const size = keptBytes + chunk.length;
    if (size > kept.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(size, Math.min(wanted, kept.length * 2)));
      kept.copy(grown, 0, 0, keptBytes);
      kept = grown;
    }
    chunk.copy(kept, keptBytes);
    keptBytes = size;
  };
  return (chunk) => {
    let bytes = chunk;
    if (keptBytes > 0) {
      keep(chunk);
      if (keptBytes < wanted) return true;
      bytes = kept.subarray(0, keptBytes);
      // Never used again: payloads are views of it.
      kept = NOTHING;
      keptBytes = 0;
    }
    let at = 0;
    for (;;) {
      const length = frameLength(bytes, at, bytes.length, bytesMax);
      if (length < 0) return false;
      if (length === 0) break;
      if (!onFrame(readFrame(bytes, at, length))) return false;
      at += length;
    }
    if (at < bytes.length) {
      const rest = bytes.subarray(at);
      wanted = rest.length < LENGTH_BYTES ? LENGTH_BYTES : LENGTH_BYTES + rest.readUInt32LE(0);
      keep(rest);
    }
    return true;
  };
}

const NOTHING = Buffer.alloc(0);
