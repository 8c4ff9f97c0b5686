import { isUtf8 } from 'node:buffer';
import type { CellLog } from '../../port/cell-host.ts';
import { PAYLOAD_AT, writeHead } from './frame.ts';

/**
 * The payload of a result: `u8 verdict | u16 logs | each log (u8 level | u32 bytes | text) | text`.
 * `text` is the reply when the verdict is `replied`, otherwise the reason.
 */
export const VERDICT = { replied: 0, refused: 1, crashed: 2, overran: 3 } as const;
const LEVELS: readonly CellLog['level'][] = ['trace', 'debug', 'info', 'warn', 'error'];

/** Text stays bytes in the cell: what the plugin wrote is copied, never decoded there. */
export type RawLog = { readonly level: CellLog['level']; readonly text: Uint8Array };
export type RawResult = { readonly verdict: number; readonly logs: readonly RawLog[]; readonly text: Uint8Array };
export type DecodedResult = { readonly verdict: number; readonly logs: readonly CellLog[]; readonly text: string };

export const resultFrameBytes = (result: RawResult): number =>
  result.logs.reduce((sum, log) => sum + 5 + log.text.length, PAYLOAD_AT + 3 + result.text.length);

/** Writes the whole frame to the beginning of `target`, which has `resultFrameBytes` bytes or more. */
export function writeResultFrame(target: Buffer, id: number, kind: number, result: RawResult): number {
  const bytes = resultFrameBytes(result);
  writeHead(target, kind, id, bytes - PAYLOAD_AT);
  let at = target.writeUInt16LE(result.logs.length, target.writeUInt8(result.verdict, PAYLOAD_AT));
  for (const log of result.logs) {
    at = target.writeUInt32LE(log.text.length, target.writeUInt8(LEVELS.indexOf(log.level), at));
    target.set(log.text, at);
    at += log.text.length;
  }
  target.set(result.text, at);
  return bytes;
}

const NO_LOGS: readonly CellLog[] = [];

/** @returns undefined when the payload is not a result, or its reply is not UTF-8 (F2). */
export function readResult(payload: Buffer): DecodedResult | undefined {
  if (payload.length < 3) return undefined;
  const verdict = payload.readUInt8(0);
  const count = payload.readUInt16LE(1);
  const logs: CellLog[] = [];
  let at = 3;
  for (let i = 0; i < count; i++) {
    if (payload.length - at < 5) return undefined;
    const level = LEVELS[payload.readUInt8(at)];
    const bytes = payload.readUInt32LE(at + 1);
    at += 5;
    if (level === undefined || bytes > payload.length - at) return undefined;
    // Log text may be anything; what is not UTF-8 becomes U+FFFD.
    logs.push({ level, text: payload.toString('utf8', at, at + bytes) });
    at += bytes;
  }
  const text = payload.subarray(at);
  if (verdict > VERDICT.overran || !isUtf8(text)) return undefined;
  return { verdict, logs: count === 0 ? NO_LOGS : logs, text: text.toString('utf8') };
}
