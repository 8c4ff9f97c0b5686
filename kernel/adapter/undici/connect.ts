/**
 * Opens the sockets of the egress client. Owns the guard at the one place that no request can go around: undici asks
 * this function for every socket, and it dials nothing but addresses that it has judged.
 */
import net from 'node:net';
import { networkInterfaces } from 'node:os';
import tls from 'node:tls';
import type { buildConnector } from 'undici';
import {
  type AddressRefusal,
  blockContains,
  blockToOffer,
  canonicalAddress,
  judgeAddress,
  NOT_BY_HABIT,
} from '../../egress/address.ts';
import type { OutboundProxy } from '../../port/egress.ts';
import { before } from './deadline.ts';
import { denied, EgressError, failed, toEgressError } from './failure.ts';
import type { Resolve } from './resolve.ts';
import { askForTunnel } from './tunnel.ts';
import { boundWire } from './wire.ts';

export type ConnectOptions = {
  readonly resolve: Resolve;
  /** For whom names are resolved. */
  readonly owner: string;
  /** CIDR blocks of the rule: see EgressRule. */
  readonly allowedBlocks: readonly string[];
  /** Through which proxy; absent: straight to the host. */
  readonly proxy?: OutboundProxy | undefined;
  /** Addresses of this machine: a name that leads back here is refused unless a block grants it. */
  readonly ownAddresses: () => readonly string[];
  /** Resolving, TCP and TLS together, in milliseconds. */
  readonly timeoutMs: number;
  /** Of one answer, with all that is around its body, in bytes. */
  readonly wireBytes: number;
  /** Certificates to trust. Made once: building one for every connection would read all roots again. */
  readonly secureContext: tls.SecureContext;
};

/** All addresses of a name are judged, and whoever owns it can give it thousands. */
const MAX_ADDRESSES = 512;
/** How many addresses of one name are tried, and how long each but the last may take. */
const MAX_ATTEMPTS = 4;
const ATTEMPT_MS = 1_000;

export const systemAddresses = (): readonly string[] =>
  Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));

/** A connector for undici (its `connect` option). Everything it fails with is an EgressError. */
export function guardedConnector(options: ConnectOptions): buildConnector.connector {
  return (target, callback) => {
    open(target, options).then(
      (socket) => {
        // undici would dial again for a socket that died at once, and again; this way the request fails, unsent.
        const gone = socket.destroyed || socket.errored;
        if (gone) return callback(failed('unavailable', 'the host closed the connection as soon as it was open'), null);
        callback(null, socket);
        boundWire(socket, options.wireBytes);
      },
      (error) => callback(toEgressError(error), null),
    );
  };
}

async function open(target: buildConnector.Options, options: ConnectOptions): Promise<net.Socket> {
  const deadline = performance.now() + options.timeoutMs;
  const { hostname } = target;
  const isTls = target.protocol === 'https:';
  const port = Number(target.port || (isTls ? 443 : 80));
  const raw = options.proxy
    ? await tunnelTo(hostname, port, options.proxy, options, deadline)
    : await dialFirst(await judgedAddresses(hostname, options, deadline), port, deadline);
  return isTls ? secure(raw, hostname, options.secureContext, deadline) : raw;
}

async function judgedAddresses(
  host: string,
  options: Judged & Pick<ConnectOptions, 'resolve' | 'owner'>,
  deadline: number,
): Promise<readonly string[]> {
  return judgeAll(host, await resolveHost(host, options, deadline), options);
}

/**
 * Through the proxy, to a judged address: a name that the proxy resolves anew would be another one than was judged. With
 * `resolve: 'proxy'` that is what its operator wants, and a name goes to the proxy as it is.
 */
async function tunnelTo(
  host: string,
  port: number,
  proxy: OutboundProxy,
  options: ConnectOptions,
  deadline: number,
): Promise<net.Socket> {
  const isName = canonicalAddress(host) === undefined;
  const targets = isName && proxy.resolve === 'proxy' ? [host] : await judgedAddresses(host, options, deadline);
  const own = { ...options, allowedBlocks: proxy.addresses, isProxy: true };
  const proxies = await judgedAddresses(proxy.host, own, deadline);
  return firstOf(targets, deadline, async (target, until) => {
    const socket = await dialFirst(proxies, proxy.port, until);
    try {
      await askForTunnel(
        socket,
        `${target.includes(':') ? `[${target}]` : target}:${port}`,
        proxy.authorization,
        until,
      );
      return socket;
    } catch (error) {
      socket.destroy();
      throw error;
    }
  });
}

async function resolveHost(
  host: string,
  { resolve, owner }: Pick<ConnectOptions, 'resolve' | 'owner'>,
  deadline: number,
): Promise<readonly string[]> {
  // An address is its own answer. No resolver is asked, but it is judged like one that a name server gave.
  if (canonicalAddress(host) !== undefined) return [host];
  const { promise, settle } = before<readonly string[]>(deadline, 'the name of the host took too long to resolve');
  const gone = new AbortController();
  promise.catch(() => gone.abort());
  resolve(host, owner, gone.signal).then(
    (addresses) => settle(faultOf(addresses) ?? addresses),
    () => settle(failed('unavailable', UNRESOLVED)),
  );
  return promise;
}

const UNRESOLVED = 'the name of the host does not resolve';
function faultOf({ length }: readonly string[]): EgressError | undefined {
  if (length === 0) return failed('unavailable', UNRESOLVED);
  return length > MAX_ADDRESSES
    ? failed('unavailable', `the name of the host has more than ${MAX_ADDRESSES} addresses`)
    : undefined;
}

/** Whose addresses are judged: those of the host of a rule, or of the proxy. */
type Judged = Pick<ConnectOptions, 'allowedBlocks' | 'ownAddresses'> & { readonly isProxy?: boolean };

/** One bad address condemns the whole answer: who controls the name could otherwise wait for the dice to fall. */
function judgeAll(host: string, addresses: readonly string[], options: Judged): readonly string[] {
  const own = new Set(options.ownAddresses().map(canonicalAddress));
  return addresses.map((address) => {
    const judged = judgeAddress(address, options.allowedBlocks);
    if (!judged.ok) throw refusalOf(judged.error, host, address, options);
    const isGranted = () => options.allowedBlocks.some((block) => blockContains(block, judged.value));
    if (own.has(judged.value) && !isGranted()) throw refusalOf('E_PRIVATE_ADDRESS', host, address, options);
    return judged.value;
  });
}

/**
 * `host` is the rule's, so it may be repeated; an address is repeated in its canonical text only, and to the operator: to a
 * plugin, what a name resolves to would be a map of the network.
 */
function refusalOf(code: AddressRefusal, host: string, address: string, { isProxy }: Judged): EgressError {
  const canonical = canonicalAddress(address);
  if (code === 'E_ADDRESS' || canonical === undefined)
    return denied(`${code}: ${host} resolved to something that is no address`);
  const text = `${code}: ${host} resolved to an address that is not public or is this machine`;
  const block = blockToOffer(canonical);
  if (block === undefined) return denied(text, `it resolved to ${canonical}; that is ${NOT_BY_HABIT}`);
  const line = JSON.stringify({ addresses: [block] }).slice(1, -1);
  return denied(
    text,
    `it resolved to ${canonical}; to allow it, add to the ${isProxy ? 'proxy' : 'rule'}: ${line}`,
    isProxy ? undefined : block,
  );
}

const dialFirst = (addresses: readonly string[], port: number, deadline: number): Promise<net.Socket> =>
  firstOf(addresses, deadline, (address, until) => dial(address, port, until));

/** The first that opens, of a few. A denial ends the search: it is an answer. */
async function firstOf(
  addresses: readonly string[],
  deadline: number,
  open: (address: string, until: number) => Promise<net.Socket>,
): Promise<net.Socket> {
  const tried = addresses.slice(0, MAX_ATTEMPTS);
  let last: unknown;
  for (const [i, address] of tried.entries()) {
    const isLast = i === tried.length - 1;
    try {
      return await open(address, isLast ? deadline : Math.min(deadline, performance.now() + ATTEMPT_MS));
    } catch (error) {
      if (error instanceof EgressError && error.code === 'EGRESS_DENIED') throw error;
      last = error;
    }
  }
  throw last;
}

/** @param address an address that was judged, in canonical text: no resolver sees it again. */
function dial(address: string, port: number, deadline: number): Promise<net.Socket> {
  const { promise, settle } = before<net.Socket>(deadline, 'the host did not accept a connection in time');
  const socket = net.connect({ host: address, port, autoSelectFamily: false, noDelay: true });
  // Stays on the socket for good: an error between here and undici's own listener must not end the process.
  socket.on('error', (error) => settle(toEgressError(error)));
  socket.once('connect', () => {
    const isJudged = canonicalAddress(socket.remoteAddress ?? '') === address;
    settle(isJudged ? socket : denied('E_PRIVATE_ADDRESS: the socket leads to another address than the one judged'));
  });
  promise.catch(() => socket.destroy());
  return promise;
}

/** TLS over a judged socket. The name is checked against the certificate; only HTTP/1.1 is offered. */
function secure(
  raw: net.Socket,
  host: string,
  secureContext: tls.SecureContext,
  deadline: number,
): Promise<net.Socket> {
  const { promise, settle } = before<net.Socket>(deadline, 'the TLS handshake with the host took too long');
  const socket = tls.connect({
    socket: raw,
    // The name of the certificate; an address has no SNI (RFC 6066 section 3).
    host,
    servername: canonicalAddress(host) === undefined ? host : '',
    secureContext,
    ALPNProtocols: ['http/1.1'],
    // Said outright, because NODE_TLS_REJECT_UNAUTHORIZED=0 changes what is not said.
    rejectUnauthorized: true,
  });
  socket.on('error', (error) => settle(toEgressError(error)));
  socket.once('close', () => settle(failed('unavailable', 'the host closed the connection during the TLS handshake')));
  socket.once('secureConnect', () => settle(socket));
  promise.catch(() => {
    socket.destroy();
    raw.destroy();
  });
  return promise;
}
