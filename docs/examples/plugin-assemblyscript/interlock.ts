/*
 * What a plugin in AssemblyScript says to the kernel: it takes the JSON of a call in, sends requests through the broker,
 * and gives the JSON of a reply out. docs/plugins.md has the functions below this file, and what the envelope holds.
 *
 * Nothing is ever freed (the stub runtime): every call has a new instance of the module, and its memory goes with it.
 */

// @ts-ignore: decorator
@external("extism:host/env", "alloc") declare function hostAlloc(bytes: u64): u64;
// @ts-ignore: decorator
@external("extism:host/env", "length") declare function hostLength(block: u64): u64;
// @ts-ignore: decorator
@external("extism:host/env", "load_u8") declare function hostLoadU8(at: u64): u32;
// @ts-ignore: decorator
@external("extism:host/env", "load_u64") declare function hostLoadU64(at: u64): u64;
// @ts-ignore: decorator
@external("extism:host/env", "store_u8") declare function hostStoreU8(at: u64, value: u32): void;
// @ts-ignore: decorator
@external("extism:host/env", "store_u64") declare function hostStoreU64(at: u64, value: u64): void;
// @ts-ignore: decorator
@external("extism:host/env", "input_offset") declare function hostInputOffset(): u64;
// @ts-ignore: decorator
@external("extism:host/env", "output_set") declare function hostOutputSet(at: u64, bytes: u64): void;
// @ts-ignore: decorator
@external("extism:host/env", "error_set") declare function hostErrorSet(block: u64): void;
// @ts-ignore: decorator
@external("extism:host/env", "log_info") declare function hostLogInfo(block: u64): void;
// @ts-ignore: decorator
@external("interlock:host/v1", "http") declare function hostHttp(request: u64): u64;

// ---- blocks: memory that is shared with the host, copied eight bytes at a time ----

function fromBlock(block: u64): string {
  const length = <i32>hostLength(block);
  const bytes = new ArrayBuffer(length);
  const to = changetype<usize>(bytes);
  let i = 0;
  for (; i + 8 <= length; i += 8) store<u64>(to + i, hostLoadU64(block + i));
  for (; i < length; i++) store<u8>(to + i, <u8>hostLoadU8(block + i));
  return String.UTF8.decode(bytes);
}

/** In UTF-8: half of a surrogate pair is no text, and becomes U+FFFD. */
function toBytes(text: string): ArrayBuffer {
  return String.UTF8.encode(text, false, String.UTF8.ErrorMode.REPLACE);
}

function toBlock(bytes: ArrayBuffer): u64 {
  const length = bytes.byteLength;
  const block = hostAlloc(length);
  const from = changetype<usize>(bytes);
  let i = 0;
  for (; i + 8 <= length; i += 8) hostStoreU64(block + i, load<u64>(from + i));
  for (; i < length; i++) hostStoreU8(block + i, load<u8>(from + i));
  return block;
}

export function log(text: string): void {
  hostLogInfo(toBlock(toBytes(text)));
}

/** What the compiler calls where the program cannot go on; `--use abort=interlock/abort`. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const at = (file || "?")! + ":" + line.toString() + ":" + column.toString();
  hostErrorSet(toBlock(toBytes((message || "it cannot go on")! + " at " + at)));
  unreachable();
}

// ---- JSON: finds a field, reads a string, writes a string ----

const QUOTE: i32 = 0x22;
const BACKSLASH: i32 = 0x5c;

function isSpace(c: i32): bool {
  return c == 0x20 || c == 0x0a || c == 0x0d || c == 0x09;
}

function pastSpace(json: string, at: i32): i32 {
  while (at < json.length && isSpace(json.charCodeAt(at))) at++;
  return at;
}

/** The place behind the string that begins at `at`. */
function pastString(json: string, at: i32): i32 {
  for (at++; at < json.length && json.charCodeAt(at) != QUOTE; at++) {
    if (json.charCodeAt(at) == BACKSLASH) at++;
  }
  return min(at + 1, json.length);
}

/** The place behind the value that begins at `at`. Counts brackets instead of calling itself: depth is no matter. */
function pastValue(json: string, at: i32): i32 {
  let depth = 0;
  while (at < json.length) {
    const c = json.charCodeAt(at);
    if (c == QUOTE) at = pastString(json, at);
    else {
      if (c == 0x7b || c == 0x5b) depth++;
      else if (c == 0x7d || c == 0x5d) {
        if (depth == 0) return at;
        depth--;
      } else if (depth == 0 && (c == 0x2c || isSpace(c))) return at;
      at++;
      if (depth > 0 || (c != 0x7d && c != 0x5d)) continue;
    }
    if (depth == 0) return at;
  }
  return json.length;
}

/** The JSON of a field of an object; null where it is no object or has no such field. */
export function field(json: string | null, name: string): string | null {
  if (json === null) return null;
  let at = pastSpace(json, 0);
  if (json.charCodeAt(at) != 0x7b) return null;
  for (at = pastSpace(json, at + 1); json.charCodeAt(at) == QUOTE; at = pastSpace(json, at + 1)) {
    const key = at + 1;
    at = pastString(json, at);
    const isIt = json.substring(key, at - 1) == name;
    at = pastSpace(json, at);
    if (json.charCodeAt(at) != 0x3a) return null;
    const value = pastSpace(json, at + 1);
    at = pastValue(json, value);
    if (isIt) return json.substring(value, at);
    at = pastSpace(json, at);
    if (json.charCodeAt(at) != 0x2c) return null;
  }
  return null;
}

/** What a JSON string says; null where it is no string. */
export function stringOf(json: string | null): string | null {
  if (json === null || json.length < 2) return null;
  const end = json.length - 1;
  if (json.charCodeAt(0) != QUOTE || json.charCodeAt(end) != QUOTE) return null;
  const parts: string[] = [];
  let from = 1;
  for (let at = 1; at < end; at++) {
    if (json.charCodeAt(at) != BACKSLASH) continue;
    parts.push(json.substring(from, at));
    const c = json.charAt(++at);
    if (c == "u") {
      const code = F64.parseInt(json.substring(at + 1, at + 5), 16);
      parts.push(String.fromCharCode(isNaN(code) ? 0xfffd : <i32>code));
      at += 4;
    } else {
      const escape = "bfnrt".indexOf(c);
      parts.push(escape < 0 ? c : "\b\f\n\r\t".charAt(escape));
    }
    from = at + 1;
  }
  parts.push(json.substring(from, end));
  return parts.join("");
}

/** A text as a JSON string. */
export function quoted(text: string): string {
  const parts: string[] = ['"'];
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c >= 0x20 && c != QUOTE && c != BACKSLASH) continue;
    parts.push(text.substring(from, at));
    parts.push("\\u" + c.toString(16).padStart(4, "0"));
    from = at + 1;
  }
  parts.push(text.substring(from));
  parts.push('"');
  return parts.join("");
}

// ---- the call ----

/** The envelope of the call: action, op, input, settings and so on. */
export function envelope(): string {
  return fromBlock(hostInputOffset());
}

/** Replies with these words as they are. */
export function say(words: string): i32 {
  const bytes = toBytes(words);
  hostOutputSet(toBlock(bytes), bytes.byteLength);
  return 0;
}

/** Replies with the output of the action, given as JSON. Return what it returns. */
export function reply(output: string): i32 {
  return say('{"ok":true,"output":' + output + "}");
}

/** Replies that it did not work: one of the error classes of docs/errors.md, and how to mend it. */
export function fail(errorClass: string, message: string): i32 {
  return say('{"ok":false,"error":{"class":' + quoted(errorClass) + ',"message":' + quoted(message) + "}}");
}

export class Answer {
  constructor(
    /** 0 where no usable answer came; `error` then says why. */
    readonly status: i32,
    readonly body: string | null,
    readonly error: string | null,
  ) {}
}

/** Sends a GET. One that is not granted does not come back from here: it ends the call. */
export function get(url: string): Answer {
  const request = '{"url":' + quoted(url) + ',"method":"GET","headers":{"accept":"application/json"},"body":null}';
  const json = fromBlock(hostHttp(toBlock(toBytes(request))));
  if (field(json, "ok") != "true") return new Answer(0, null, stringOf(field(json, "error")));
  const status = field(json, "status");
  return new Answer(status === null ? 0 : <i32>F64.parseInt(status), stringOf(field(json, "body")), null);
}
