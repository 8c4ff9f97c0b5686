/** Answers that cannot be used, and what their requests end as. */
import { gzipSync } from 'node:zlib';
import { answer, type Script } from './upstream.ts';

const GZIP_HEAD = 'HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n';
const chunked = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';

export const say =
  (text: string | Buffer): Script =>
  (_, socket) =>
    socket.end(text);

export const UNUSABLE: readonly (readonly [what: string, errorClass: string, script: Script])[] = [
  ['nothing', 'unavailable', (_, socket) => socket.end()],
  ['a reset', 'unavailable', (_, socket) => socket.resetAndDestroy()],
  ['no HTTP', 'upstream_error', say('hello\r\n\r\n')],
  ['HTTP/0.9', 'upstream_error', say('<html>')],
  ['half a head', 'unavailable', say('HTTP/1.1 200 OK\r\ncontent-le')],
  ['a body shorter than announced', 'unavailable', say('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc')],
  ['chunks that stop', 'unavailable', say(`${chunked}5\r\nabc`)],
  ['a chunk size that is no number', 'upstream_error', say(`${chunked}zz\r\nabc\r\n0\r\n\r\n`)],
  ['two lengths', 'upstream_error', say('HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd')],
  ['a negative length', 'upstream_error', say('HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nabc')],
  [
    'a length and chunks',
    'upstream_error',
    say('HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'),
  ],
  ['a header with a NUL', 'upstream_error', say('HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 0\r\n\r\n')],
  ['a header without a colon', 'upstream_error', say('HTTP/1.1 200 OK\r\nnonsense\r\ncontent-length: 0\r\n\r\n')],
  ['headers of 100 KB', 'upstream_error', say(answer(200, { 'x-large': 'a'.repeat(100_000) }))],
  ['3000 early hints', 'upstream_error', say('HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n'.repeat(3_000))],
  ['an upgrade', 'unavailable', say('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n')],
  ['a continue that nobody waited for', 'unavailable', say(`HTTP/1.1 100 Continue\r\n\r\n${answer(200)}`)],
  [
    'gzip',
    'upstream_error',
    say(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n'), gzipSync('x')])),
  ],
  ['an unknown encoding', 'upstream_error', say(answer(200, { 'content-encoding': 'zstd' }, 'x'))],
  [
    'an encoded transfer',
    'upstream_error',
    say('HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n'),
  ],
  ['a length over the limit', 'upstream_error', say('HTTP/1.1 200 OK\r\ncontent-length: 100001\r\n\r\n')],
  ['a body over the limit', 'upstream_error', say(`HTTP/1.1 200 OK\r\n\r\n${'a'.repeat(100_001)}`)],
  [
    'gzip of 50 MiB',
    'upstream_error',
    say(Buffer.concat([Buffer.from(GZIP_HEAD), gzipSync(Buffer.alloc(52_428_800))])),
  ],
  ['gzip behind another word', 'upstream_error', say(answer(200, { 'content-encoding': 'identity, gzip' }, 'x'))],
  ['GZIP', 'upstream_error', say(answer(200, { 'Content-Encoding': 'GZIP' }, 'x'))],
  [
    'the same length twice',
    'upstream_error',
    say('HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc'),
  ],
  ['a list of lengths', 'upstream_error', say('HTTP/1.1 200 OK\r\ncontent-length: 3, 3\r\n\r\nabc')],
  ['a signed length', 'upstream_error', say('HTTP/1.1 200 OK\r\ncontent-length: +3\r\n\r\nabc')],
  [
    'a length beyond counting',
    'upstream_error',
    say(`HTTP/1.1 200 OK\r\ncontent-length: ${'9'.repeat(23)}\r\n\r\nabc`),
  ],
  ['a chunk beyond counting', 'upstream_error', say(`${chunked}${'F'.repeat(17)}\r\nabc\r\n0\r\n\r\n`)],
  ['chunks twice over', 'upstream_error', say(`${chunked.slice(0, -2)}transfer-encoding: chunked\r\n\r\n0\r\n\r\n`)],
  ['almost chunks', 'upstream_error', say('HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n')],
  ['lines that end in LF', 'upstream_error', say('HTTP/1.1 200 OK\ncontent-length: 3\n\nabc')],
  ['one line that ends in LF', 'upstream_error', say('HTTP/1.1 200 OK\r\nx: y\ncontent-length: 3\r\n\r\nabc')],
  ['chunks that end in LF', 'upstream_error', say(`${chunked}3\nabc\n0\n\n`)],
  ['a CR inside a header', 'upstream_error', say('HTTP/1.1 200 OK\r\nx: a\rb\r\ncontent-length: 0\r\n\r\n')],
  ['a header over two lines', 'upstream_error', say('HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 0\r\n\r\n')],
  ['a space before a colon', 'upstream_error', say('HTTP/1.1 200 OK\r\ncontent-length : 0\r\n\r\n')],
  ['20,000 headers', 'upstream_error', say(`HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(20_000)}\r\n`)],
  ['trailers of 100 KB', 'upstream_error', say(`${chunked}0\r\nx: ${'a'.repeat(100_000)}\r\n\r\n`)],
  ['20,000 trailers', 'upstream_error', say(`${chunked}0\r\n${'x: y\r\n'.repeat(20_000)}\r\n`)],
  ['a status of two digits', 'unavailable', say('HTTP/1.1 099 OK\r\ncontent-length: 0\r\n\r\n')],
  [
    'an upgrade with what follows it',
    'unavailable',
    say(`HTTP/1.1 101 Switching\r\nupgrade: websocket\r\n\r\n${answer(200)}`),
  ],
];
