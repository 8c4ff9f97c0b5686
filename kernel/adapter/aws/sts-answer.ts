/** Reads the one answer of AWS STS that is asked for here. Owns how little of XML that takes. */
export type StsCredentials = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  /** Unix milliseconds. */
  readonly expiresAt: number;
};

/** Of `AssumeRoleWithWebIdentityResponse`: no element in one of these, no attribute, no entity, nothing twice. */
const FIELDS = {
  AccessKeyId: /^[A-Z0-9]{16,128}$/,
  SecretAccessKey: /^[A-Za-z0-9+/=]{16,256}$/,
  SessionToken: /^[A-Za-z0-9+/=]{16,4096}$/,
  Expiration: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z$/,
} as const;

/** @returns undefined for whatever is not the answer of the documentation. */
export function readStsAnswer(text: string): StsCredentials | undefined {
  // A document type could define entities, a comment or CDATA could hide a second element.
  if (/<!/.test(text) || !/<AssumeRoleWithWebIdentityResponse[\s>]/.test(text)) return undefined;
  const inside = onlyElement(text, 'Credentials');
  if (inside === undefined) return undefined;
  const read = (name: keyof typeof FIELDS): string | undefined => {
    const value = onlyElement(inside, name);
    return value !== undefined && FIELDS[name].test(value) ? value : undefined;
  };
  const accessKeyId = read('AccessKeyId');
  const secretAccessKey = read('SecretAccessKey');
  const sessionToken = read('SessionToken');
  const expiresAt = Date.parse(read('Expiration') ?? '');
  if (!accessKeyId || !secretAccessKey || !sessionToken || Number.isNaN(expiresAt)) return undefined;
  return { accessKeyId, secretAccessKey, sessionToken, expiresAt };
}

/** What stands in the element of this name, when there is exactly one. */
function onlyElement(text: string, name: string): string | undefined {
  const [, inside, ...rest] = text.split(`<${name}>`);
  if (inside === undefined || rest.length > 0) return undefined;
  const [value, after, ...more] = inside.split(`</${name}>`);
  return after === undefined || more.length > 0 ? undefined : value?.trim();
}
