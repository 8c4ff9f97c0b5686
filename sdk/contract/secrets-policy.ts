import * as v from 'valibot';
import { NAME_PATTERN } from './name.ts';
import { closedObject } from './wanted.ts';

/**
 * Secrets policy of one org: which secrets a provider lends, and how the kernel logs in to it. A secret that is not named
 * here is one of the local encrypted store. Nothing in it is secret.
 */
const name = v.pipe(v.string(), v.regex(NAME_PATTERN, 'lower-case letters, digits, single hyphens'));
const text = (most: number) =>
  v.pipe(v.string(), v.minLength(1), v.maxLength(most), v.regex(/^[\x21-\x7e]+$/, 'printable ASCII without spaces'));
const url = v.pipe(
  v.string(),
  v.maxLength(1_024),
  v.regex(
    /^https?:\/\/[a-z0-9.:[\]-]+(?:\/[\x21\x24-\x3e\x40-\x7e]*)?$/,
    'http(s)://, a host in lower case, and a path; no query',
  ),
);
/** A path below the API: what climbs, doubles a slash or carries a query could lead somewhere else. */
const apiPath = v.pipe(
  v.string(),
  v.maxLength(512),
  v.regex(
    /^(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)*$/,
    'segments of letters, digits, dots, underscores, hyphens, with single slashes between',
  ),
);
const seconds = (least: number, most: number) => v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));

/** A secret of the local store, or a file that only the user of the kernel can read. */
const Credential = v.union(
  [
    closedObject({ secret: name }),
    closedObject({ file: v.pipe(v.string(), v.regex(/^\//, 'an absolute path'), v.maxLength(1_024)) }),
  ],
  '{ "secret": NAME } for one of the local store, or { "file": PATH } for a file of mode 0600',
);
export type CredentialRef = v.InferOutput<typeof Credential>;

/** How a provider is reached: as by a rule of the egress policy. */
const place = {
  name,
  /** Address blocks (CIDR) that the host may resolve to although they are not public. */
  addresses: v.optional(v.pipe(v.array(v.pipe(v.string(), v.maxLength(64))), v.maxLength(64)), []),
  /** Certificates (PEM) of an internal authority, trusted for this provider beside the runtime's own. */
  caFile: v.optional(v.pipe(v.string(), v.regex(/^\//, 'an absolute path'), v.maxLength(1_024))),
};

const Vault = closedObject({
  kind: v.literal('vault'),
  ...place,
  /** Where the server is; the API is at `/v1` below it. */
  url,
  namespace: v.optional(apiPath),
  login: v.variant('method', [
    closedObject({
      method: v.literal('approle'),
      mount: v.optional(apiPath, 'approle'),
      roleId: text(256),
      secretId: Credential,
    }),
    closedObject({
      method: v.literal('jwt'),
      mount: v.optional(apiPath, 'jwt'),
      role: text(256),
      jwt: Credential,
    }),
  ]),
  secrets: v.array(
    v.variant('engine', [
      closedObject({
        name,
        /** KV version 2. */
        engine: v.literal('kv'),
        mount: v.optional(apiPath, 'secret'),
        path: apiPath,
        field: text(128),
        /** Without it, the latest. */
        version: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
      }),
      closedObject({
        name,
        /** Whatever answers a GET with a lease, e.g. `database/creds/ROLE`. */
        engine: v.literal('dynamic'),
        path: apiPath,
        field: text(128),
      }),
    ]),
  ),
});

const OAuth = closedObject({
  kind: v.literal('oauth'),
  ...place,
  /** `iss` of the authorization server. */
  issuer: url,
  tokenUrl: url,
  /** RFC 7009. Without it a token ends with its own time. */
  revocationUrl: v.optional(url),
  clientId: v.pipe(v.string(), v.minLength(1), v.maxLength(512), v.regex(/^[\x20-\x7e]+$/, 'printable ASCII')),
  auth: v.picklist(['client_secret_basic', 'client_secret_post', 'private_key_jwt']),
  /** The client secret; for private_key_jwt the private key (RSA, PKCS #8). */
  credential: Credential,
  /** `shared`: one token until shortly before its end. `step`: one for each step, revoked with it. */
  tokens: v.optional(v.picklist(['shared', 'step']), 'shared'),
  secrets: v.array(
    closedObject({
      name,
      scope: v.optional(v.pipe(v.string(), v.regex(/^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/))),
      audience: v.optional(text(512)),
    }),
  ),
});

const AwsSts = closedObject({
  kind: v.literal('aws-sts'),
  ...place,
  /** Regional endpoint, e.g. `https://sts.eu-central-1.amazonaws.com`. */
  url,
  /** The web identity token (a JWT). */
  token: Credential,
  secrets: v.array(
    closedObject({
      name,
      roleArn: v.pipe(v.string(), v.maxLength(2_048), v.regex(/^arn:[a-z0-9-]+:iam::[0-9]{12}:role\/[\w+=,.@/-]+$/)),
      sessionName: v.optional(v.pipe(v.string(), v.regex(/^[\w+=,.@-]{2,64}$/)), 'interlock'),
      durationSeconds: v.optional(seconds(900, 43_200), 900),
      field: v.picklist(['accessKeyId', 'secretAccessKey', 'sessionToken']),
    }),
  ),
});

const GithubApp = closedObject({
  kind: v.literal('github-app'),
  ...place,
  url: v.optional(url, 'https://api.github.com'),
  /** The client id or the id of the app. */
  appId: text(64),
  installation: v.pipe(v.string(), v.regex(/^[0-9]{1,20}$/, 'the number of the installation, in quotes')),
  /** The private key of the app (RSA). */
  key: Credential,
  secrets: v.array(
    closedObject({
      name,
      /** Narrows what the token may do; without it, all that the app may. */
      permissions: v.optional(
        v.record(v.pipe(v.string(), v.regex(/^[a-z_]{1,64}$/)), v.picklist(['read', 'write', 'admin'])),
      ),
      /** Names without their owner; without it, all of the installation. */
      repositories: v.optional(
        v.pipe(v.array(v.pipe(v.string(), v.regex(/^[\w.-]{1,100}$/))), v.minLength(1), v.maxLength(500)),
      ),
    }),
  ),
});

const Provider = v.variant('kind', [Vault, OAuth, AwsSts, GithubApp]);
export type SecretProvider = v.InferOutput<typeof Provider>;
export type ProviderOf<Kind extends SecretProvider['kind']> = Extract<SecretProvider, { kind: Kind }>;

const areDifferent = (names: readonly string[]): boolean => new Set(names).size === names.length;

export const SecretsPolicySchema = closedObject({
  $schema: v.optional(v.string()),
  apiVersion: v.literal('interlock/secrets/v1'),
  providers: v.pipe(
    v.array(Provider),
    v.maxLength(16),
    v.check((all) => areDifferent(all.map((one) => one.name)), 'each provider has a name of its own'),
    v.check(
      (all) => areDifferent(all.flatMap((one) => one.secrets.map((secret) => secret.name))),
      'each secret comes from one provider',
    ),
    v.check((all) => all.flatMap((one) => one.secrets as readonly unknown[]).length <= 256, 'at most 256 secrets'),
  ),
});
export type SecretsPolicy = v.InferOutput<typeof SecretsPolicySchema>;
