import { describe, expect, test } from 'vitest';
import { headOf, judge, LOG, ofOrg, sampleLog, WHOLE } from './testlog.ts';
import { createVerifier, type VerifierOptions } from './verifier.ts';

/**
 * Every single bit of a log, flipped. Each flip must be found, and the record it lies in must be the one that is
 * named.
 */
const LF = 10;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function asLine(bytes: Uint8Array): string | Uint8Array {
  try {
    return decoder.decode(bytes);
  } catch {
    return bytes.slice();
  }
}

/** The lines in which the bytes of one record stand after a flip: two, when the flip made a line feed. */
function linesOf(bytes: Uint8Array): (string | Uint8Array)[] {
  const at = bytes.indexOf(LF);
  return at < 0 ? [asLine(bytes)] : [asLine(bytes.subarray(0, at)), asLine(bytes.subarray(at + 1))];
}

function flipped(line: string, bit: number): (string | Uint8Array)[] {
  const bytes = new TextEncoder().encode(line);
  const index = bit >> 3;
  bytes[index] = (bytes[index] ?? 0) ^ (1 << (bit & 7));
  return linesOf(bytes);
}

const bitsOf = (line: string): number => Buffer.byteLength(line) * 8;
const whole = sampleLog();

/**
 * One bit in every fourth record at a time: three sound records between two flips are enough for each to be found and
 * named by itself, and it takes a tenth of the time.
 */
describe.each([0, 1, 2, 3])('every bit of each fourth record from %i on, in a log of 40', (offset) => {
  test('is found and named', { timeout: 120_000 }, () => {
    const head = headOf(whole);
    const wrong: string[] = [];
    let flips = 0;
    const longest = Math.max(...whole.filter((_, k) => k % 4 === offset).map(bitsOf));
    for (let bit = 0; bit < longest; bit++) {
      const chosen: number[] = [];
      const lines = whole.flatMap((line, k) => {
        if (k % 4 !== offset || bit >= bitsOf(line)) return [line];
        chosen.push(k);
        return flipped(line, bit);
      });
      flips += chosen.length;
      const { verdict, found, findings } = judge(lines, head);
      const named = findings.map(({ seq }) => seq);
      if (verdict !== 'invalid' || found !== chosen.length || named.join() !== chosen.join()) {
        wrong.push(`bit ${bit}: flipped in ${chosen}, named ${named}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(flips).toBe(whole.filter((_, k) => k % 4 === offset).reduce((sum, line) => sum + bitsOf(line), 0));
  });
});

const globex = ofOrg(whole, 'globex').slice(0, 12);

test.each<[string, readonly string[], VerifierOptions]>([
  ['a whole log', whole.slice(0, 12), WHOLE],
  ["one org's export", globex, { scope: 'org', log: LOG, org: 'globex' }],
])('every bit of 12 records, one at a time, in %s', { timeout: 120_000 }, (_name, log, options) => {
  const head = headOf(log);
  const wrong: string[] = [];
  for (const [k, line] of log.entries()) {
    for (let bit = 0; bit < bitsOf(line); bit++) {
      const lines = [...log.slice(0, k), ...flipped(line, bit), ...log.slice(k + 1)];
      const { verdict, found, findings } = judge(lines, head, options);
      if (verdict !== 'invalid' || found !== 1 || findings[0]?.seq !== k) {
        wrong.push(`record ${k}, bit ${bit}: ${verdict}, ${findings.map(({ code, seq }) => `${code} ${seq}`)}`);
      }
    }
  }
  expect(wrong).toEqual([]);
});

test('every bit of every line feed between two records', () => {
  for (let k = 0; k + 1 < whole.length; k++) {
    for (let bit = 0; bit < 8; bit++) {
      const joined = `${whole[k]}${String.fromCharCode(LF ^ (1 << bit))}${whole[k + 1]}`;
      const verifier = createVerifier(WHOLE);
      for (const line of [...whole.slice(0, k), joined, ...whole.slice(k + 2)]) verifier.push(line);
      const { verdict, found, findings } = verifier.end(headOf(whole));
      expect({ k, bit, verdict, found, seq: findings[0]?.seq }).toEqual({
        k,
        bit,
        verdict: 'invalid',
        found: 1,
        seq: k,
      });
    }
  }
});
