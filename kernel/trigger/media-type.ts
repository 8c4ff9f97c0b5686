/** Media types (RFC 9110 section 8.3.1), as far as the intake must tell them apart. */
export type MediaType = { readonly essence: string; readonly isUtf8: boolean };

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const ESSENCE = new RegExp(`^${TOKEN}/${TOKEN}$`);

/** @returns undefined when it is none. `isUtf8` is false when another charset is named. */
export function parseMediaType(text: string): MediaType | undefined {
  if (text.length > 256) return undefined;
  const [essence = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  if (!ESSENCE.test(essence)) return undefined;
  const charset = parameters.find((parameter) => parameter.startsWith('charset='));
  return { essence, isUtf8: charset === undefined || /^charset="?(?:utf-?8|us-ascii)"?$/.test(charset) };
}

/** `application/json`, `text/json` or any `+json` (RFC 6839), in UTF-8. */
export function isJsonMediaType(text: string): boolean {
  const type = parseMediaType(text);
  return type?.isUtf8 === true && (/^(?:application|text)\/json$/.test(type.essence) || type.essence.endsWith('+json'));
}
