import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Frame, frameOf, frameSplitter, KIND } from './frame.ts';
import { type RawResult, readResult, resultFrameBytes, VERDICT, writeResultFrame } from './result-frame.ts';

const MAX = 1_000;

/** Everything that a splitter made of chunks, and whether it still listens. */
function split(chunks: readonly Buffer[]): { frames: Frame[]; listens: boolean } {
  const frames: Frame[] = [];
  const feed = frameSplitter(MAX, (frame) => {
    frames.push({ ...frame, payload: Buffer.from(frame.payload) });
    return true;
  });
  return { listens: chunks.every((chunk) => feed(chunk)), frames };
}
const announcing = (bytes: number) => {
  const head = Buffer.alloc(4);
  head.writeUInt32LE(bytes);
  return head;
};

describe('frames', () => {
  it('arrive whole and in order, however the bytes are cut', () => {
    const frame = fc.record({ kind: fc.nat(255), id: fc.nat(0xffff_ffff), text: fc.string({ maxLength: 100 }) });
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
        (sent, cuts) => {
          const bytes = Buffer.concat(sent.map(({ kind, id, text }) => frameOf(kind, id, 0, text)));
          const chunks: Buffer[] = [];
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const length = cuts[i % cuts.length] ?? 1;
            chunks.push(bytes.subarray(at, at + length));
            at += length;
          }
          const got = split(chunks);
          expect(got.listens).toBe(true);
          expect(got.frames.map((each) => [each.kind, each.id, each.payload.toString()])).toEqual(
            sent.map(({ kind, id, text }) => [kind, id, Buffer.from(text).toString()]),
          );
        },
      ),
    );
  });

  it('in pieces hold none of the pieces: byte by byte they would take hundreds of times as much', () => {
    const bytes = frameOf(KIND.result, 7, 0, 'a frame in pieces');
    const payloads: string[] = [];
    const feed = frameSplitter(MAX, ({ payload }) => payloads.push(payload.toString()) > 0);
    // The one piece is written over each time.
    const piece = Buffer.alloc(1);
    for (const byte of bytes) feed(Buffer.from(piece.buffer, piece.byteOffset, piece.fill(byte).length));
    expect(payloads).toEqual(['a frame in pieces']);
  });

  it.each([
    ['4 GiB', announcing(0xffff_ffff)],
    ['one byte more than the maximum', announcing(MAX + 1)],
    ['less than a kind and an id', announcing(4)],
  ])('announcing %s end the stream before a byte of them is kept', (_, head) => {
    expect(split([head])).toEqual({ frames: [], listens: false });
    expect(split([frameOf(KIND.ready, 0, 0, ''), head]).frames).toHaveLength(1);
  });
});

describe('results', () => {
  const written = (result: RawResult) => {
    const target = Buffer.alloc(resultFrameBytes(result));
    writeResultFrame(target, 7, KIND.result, result);
    return split([target]).frames[0]?.payload ?? Buffer.alloc(0);
  };
  const bytes = (text: string) => Buffer.from(text);

  it('come back as they were sent', () => {
    const result: RawResult = {
      verdict: VERDICT.replied,
      logs: [
        { level: 'info', text: bytes('one') },
        { level: 'error', text: bytes('') },
      ],
      text: bytes('{"ok":true}'),
    };
    expect(readResult(written(result))).toEqual({
      verdict: VERDICT.replied,
      logs: [
        { level: 'info', text: 'one' },
        { level: 'error', text: '' },
      ],
      text: '{"ok":true}',
    });
  });

  it.each([
    ['nothing', bytes('')],
    ['an unknown verdict', Buffer.from([9, 0, 0])],
    ['more logs than bytes', Buffer.from([0, 255, 255])],
    ['a log longer than the payload', Buffer.from([0, 1, 0, 2, 255, 255, 255, 255])],
    ['an unknown log level', Buffer.from([0, 1, 0, 9, 0, 0, 0, 0])],
    ['a reply that is not UTF-8', Buffer.from([0, 0, 0, 0xff])],
  ])('with %s are no results', (_, payload) => {
    expect(readResult(payload)).toBeUndefined();
  });

  it('never throw, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (payload) => {
        const result = readResult(Buffer.from(payload));
        return result === undefined || result.text.length <= payload.length;
      }),
    );
  });
});
