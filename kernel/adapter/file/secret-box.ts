/** Seals one text with AES-256-GCM (NIST SP 800-38D). Owns the layout: 12 bytes nonce, ciphertext, 16 bytes tag. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * @param place what the box belongs to; bound to it, so that a box moved to another place does not open.
 * @returns base64. The nonce is random: 96 bits are enough for far more writes than a file of secrets sees.
 */
export function seal(key: Uint8Array, place: readonly string[], value: Uint8Array): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(placeBytes(place));
  return Buffer.concat([nonce, cipher.update(value), cipher.final(), cipher.getAuthTag()]).toString('base64');
}

/** @returns undefined when the key, the place or any byte is not the one that was sealed. */
export function unseal(key: Uint8Array, place: readonly string[], box: string): Buffer | undefined {
  const bytes = Buffer.from(box, 'base64');
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(placeBytes(place));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    // A stream mode: `update` gives every byte and `final` only checks. No second copy of the value is made.
    const value = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
    decipher.final();
    return value;
  } catch {
    return undefined;
  }
}

/** JSON keeps the parts apart: no two places have the same bytes. */
const placeBytes = (place: readonly string[]): Buffer => Buffer.from(JSON.stringify(['interlock/secret/v1', ...place]));
