import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Looks for secrets in bytes, in every form that a well-meaning program might have given them on the way. */
export type Needle = { readonly secret: string; readonly form: string; readonly bytes: Buffer };

/** @param name says which secret it is; what is found is told by name, never by value. */
export function needlesOf(name: string, value: string): readonly Needle[] {
  const raw = Buffer.from(value, 'latin1');
  const hex = raw.toString('hex');
  const percent = (code: number) => `%${code.toString(16).padStart(2, '0')}`;
  const json = JSON.stringify(value).slice(1, -1);
  const forms: Record<string, string | Buffer> = {
    raw,
    hex,
    HEX: hex.toUpperCase(),
    'percent-encoded': encodeURIComponent(value),
    'percent-encoded, small digits': encodeURIComponent(value).replaceAll(/%../g, (code) => code.toLowerCase()),
    'percent-encoded twice': encodeURIComponent(encodeURIComponent(value)),
    'percent-encoded, every byte': [...raw].map(percent).join(''),
    'as a form field': new URLSearchParams({ '': value }).toString().slice(1),
    JSON: json,
    'JSON in JSON': JSON.stringify(json).slice(1, -1),
    'JSON, \\u escapes': value.replaceAll(/[^a-z0-9 ]/gi, (c) => `\\u00${c.charCodeAt(0).toString(16)}`),
    HTML: value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;'),
    'UTF-16': Buffer.from(value, 'utf16le'),
  };
  for (const shift of [0, 1, 2])
    for (const coding of ['base64', 'base64url'] as const)
      forms[`${coding}, shifted by ${shift}`] = base64Core(raw, shift, coding);
  const seen = new Set<string>();
  return Object.entries(forms).flatMap(([form, text]) => {
    const bytes = Buffer.from(text as string);
    const key = bytes.toString('latin1');
    if (seen.has(key)) return [];
    seen.add(key);
    return [{ secret: name, form, bytes }];
  });
}

/** The digits of the base64 of `shift` other bytes and `raw` that depend on `raw` alone. */
function base64Core(raw: Buffer, shift: number, coding: 'base64' | 'base64url'): string {
  const digits = Buffer.concat([Buffer.alloc(shift), raw]).toString(coding);
  return digits.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + raw.length) * 8) / 6));
}

/** @returns a line for each find: which secret, in what form. */
export const findIn = (bytes: Uint8Array, needles: readonly Needle[]): readonly string[] => {
  const hay = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return needles.filter((needle) => hay.includes(needle.bytes)).map(({ secret, form }) => `${secret}: ${form}`);
};

/** Every file below the folder, byte by byte. */
export async function findInFolder(folder: string, needles: readonly Needle[]) {
  const found: string[] = [];
  let files = 0;
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const content = await readFile(path);
    files++;
    bytes += content.length;
    found.push(...findIn(content, needles).map((find) => `${path}: ${find}`));
  }
  return { found, files, bytes };
}
