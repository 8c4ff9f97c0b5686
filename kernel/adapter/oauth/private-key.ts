import { createPrivateKey } from 'node:crypto';

/** PEM, or the base64 of its DER: a secret of the local store is one line. PKCS #8, or PKCS #1 in PEM. */
export async function privateKeyOf(text: string): Promise<CryptoKey | undefined> {
  try {
    const key = text.startsWith('-----BEGIN')
      ? createPrivateKey({ key: text, format: 'pem' })
      : createPrivateKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'pkcs8' });
    if (key.asymmetricKeyType !== 'rsa') return undefined;
    const bytes = key.export({ format: 'der', type: 'pkcs8' });
    return await crypto.subtle.importKey('pkcs8', bytes, { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, false, [
      'sign',
    ]);
  } catch {
    return undefined;
  }
}
