/**
 * One spelling per address, so that the address a person approves is the address that is banned.
 *
 * @returns IPv4 in dotted decimal, IPv6 as in RFC 5952, an IPv4-mapped IPv6 address (::ffff:0:0/96) as the IPv4 it is;
 *          undefined when the text is no address.
 */
export function canonicalIp(text: string): string | undefined {
  if (parseV4(text)) return text;
  const groups = parseV6(text);
  if (!groups) return undefined;
  const [high = 0, low = 0] = groups.slice(6);
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return [high >> 8, high & 255, low >> 8, low & 255].join('.');
  }
  return compress(groups);
}

/** Whether a canonical address can be one host somewhere: not unspecified, loopback, multicast, reserved or broadcast. */
export function isHost(ip: string): boolean {
  const first = Number(parseV4(ip)?.[0] ?? Number.NaN);
  if (!Number.isNaN(first)) return first !== 0 && first !== 127 && first < 224;
  return ip !== '::' && ip !== '::1' && !ip.startsWith('ff');
}

/** Four numbers. A leading zero is refused: some readers take it for octal. */
function parseV4(text: string): readonly number[] | undefined {
  const parts = text.split('.');
  const valid =
    parts.length === 4 && parts.every((part) => /^(?:0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255);
  return valid ? parts.map(Number) : undefined;
}

/** Eight 16-bit groups (RFC 4291, section 2.2). No zone: it names an interface of one machine. */
function parseV6(text: string): readonly number[] | undefined {
  const [head = '', tail, more] = text.split('::');
  if (more !== undefined) return undefined;
  const before = groupsOf(head, tail === undefined);
  const after = tail === undefined ? [] : groupsOf(tail, true);
  if (!before || !after) return undefined;
  const missing = 8 - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  return [...before, ...Array<number>(missing).fill(0), ...after];
}

/** Groups between colons; the last two may be written as IPv4 when they end the address. */
function groupsOf(text: string, endsAddress: boolean): readonly number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const v4 = endsAddress ? parseV4(parts.at(-1) ?? '') : undefined;
  const hex = v4 ? parts.slice(0, -1) : parts;
  if (!hex.every((part) => /^[0-9a-f]{1,4}$/i.test(part))) return undefined;
  const groups = hex.map((part) => Number.parseInt(part, 16));
  const [a = 0, b = 0, c = 0, d = 0] = v4 ?? [];
  return v4 ? [...groups, a * 256 + b, c * 256 + d] : groups;
}

/** Lower case, no leading zeros, the longest run of two or more zero groups as `::`, the first of equal ones. */
function compress(groups: readonly number[]): string {
  let [start, length] = [-1, 1];
  for (let i = 0; i < groups.length; i++) {
    let run = 0;
    while (groups[i + run] === 0) run++;
    if (run > length) [start, length] = [i, run];
  }
  const hex = groups.map((group) => group.toString(16));
  if (start < 0) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}
