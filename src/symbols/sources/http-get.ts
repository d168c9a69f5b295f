/**
 * One GET of a large file over HTTP, whose body is given piece by piece.
 *
 * A server is the operator's choice, what it answers is not: a redirect leads only to the same
 * server (or to https of it), and the connection for it goes to the address of the first, so
 * that neither a `Location` nor a name server can send requests to other hosts of the network.
 */
import type { IncomingMessage } from "node:http";
import type { LookupFunction } from "node:net";
import { pipeline, Readable } from "node:stream";
import { createGunzip, createInflate, createZstdDecompress } from "node:zlib";
import { shownUrl } from "../../transport/endpoint.ts";
import { causeOf } from "../../transport/http-client.ts";
import { nodeHttp, nodeHttps } from "../../transport/node-http.ts";
import type { ClientTls } from "../../transport/tls.ts";

/** From http to https, and once more to where the file is. */
export const REDIRECTS_MAX = 3;
/** A host that takes no connection for so long is dead, however patient one is with its answer. */
export const CONNECT_MS_MAX = 10_000;
/** elfutils: what must have come within the timeout. */
export const SLOWEST_BYTES: number = 100 * 1024;
/** Headers of an answer; Node's own default. */
const HEADER_BYTES_MAX = 16 * 1024;

export interface GetOptions {
  readonly headers: Readonly<Record<string, string>>;
  /** Within each of these, SLOWEST_BYTES must come, or the end; 0 is no limit. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Asked for when a connection needs it. */
  readonly tls: () => Promise<ClientTls>;
}

/** An answer, whose body is to be read or destroyed. */
export interface GetAnswer {
  readonly url: URL;
  readonly status: number;
  readonly response: IncomingMessage;
}

/**
 * Sends the request and follows redirects.
 *
 * @throws TransferError  no answer, or one that leads elsewhere
 */
export async function httpGet(url: URL, options: GetOptions): Promise<GetAnswer> {
  let next = url;
  let lookup: LookupFunction | undefined;
  for (let hops = 0; ; hops++) {
    const tls = next.protocol === "https:" ? await options.tls() : undefined;
    const response = await request(next, options, { lookup, ...tls });
    const { statusCode: status = 0, headers, socket } = response;
    const location = headers.location;
    if (![301, 302, 303, 307, 308].includes(status) || location === undefined) {
      return { url: next, status, response };
    }
    response.destroy();
    if (hops === REDIRECTS_MAX)
      throw new TransferError(`redirects more than ${REDIRECTS_MAX} times`);
    next = redirected(next, location);
    lookup ??= pinnedTo(socket.remoteAddress ?? "", socket.remoteFamily === "IPv6" ? 6 : 4);
  }
}

function redirected(from: URL, location: string): URL {
  const to = URL.parse(location, from);
  if (to === null) throw new TransferError("redirects to what is no URL");
  const isSame = to.origin === from.origin;
  const isUpgrade =
    from.protocol === "http:" &&
    to.protocol === "https:" &&
    to.hostname === from.hostname &&
    to.port === "";
  if (!isSame && !isUpgrade) {
    throw new TransferError(`redirects to another server (${shownUrl(to)})`);
  }
  to.username = from.username;
  to.password = from.password;
  return to;
}

function pinnedTo(address: string, family: 4 | 6): LookupFunction {
  return (_host, { all }, done) => {
    if (all) done(null, [{ address, family }]);
    else done(null, address, family);
  };
}

function request(
  url: URL,
  { headers, timeoutMs, signal }: GetOptions,
  { lookup, ...tls }: { lookup: LookupFunction | undefined } & Partial<ClientTls>,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const module = url.protocol === "https:" ? nodeHttps() : nodeHttp();
  const sent = module.get(url, {
    headers,
    agent: false,
    signal,
    maxHeaderSize: HEADER_BYTES_MAX,
    ...(lookup !== undefined && { lookup }),
    ...tls,
  });
  const giveUp = (why: string): void => void sent.destroy(new Error(why));
  const connectMs = timeoutMs === 0 ? CONNECT_MS_MAX : Math.min(timeoutMs, CONNECT_MS_MAX);
  let timer = setTimeout(giveUp, connectMs, "takes no connection");
  sent.on("socket", (socket) => {
    socket.once(url.protocol === "https:" ? "secureConnect" : "connect", () => {
      clearTimeout(timer);
      if (timeoutMs > 0) timer = setTimeout(giveUp, timeoutMs, "gives no answer");
    });
  });
  sent.on("error", (error) => reject(new TransferError(whyOf(error), { cause: error })));
  sent.on("response", resolve);
  return promise.finally(() => clearTimeout(timer));
}

function whyOf(error: Error): string {
  return error.name === "AbortError" ? "was given up" : causeOf(error);
}

export interface BodyLimits {
  /** Bytes as they arrive, and of what they inflate to. */
  readonly bytesMax: number;
  /** What the server says the file has; 0 when it does not say. */
  readonly expectedBytes: number;
  readonly timeoutMs: number;
}

/**
 * The file in an answer's body: without its content encoding, and unpacked when the server keeps
 * it as gzip, zlib or zstd. The answer ends with the iteration, however that ends.
 *
 * @throws TransferError  cut, too slow, too large, broken
 */
export async function* fileInBody(
  response: IncomingMessage,
  limits: BodyLimits,
): AsyncGenerator<Uint8Array> {
  try {
    const arrived = Readable.from(limited(paced(response, limits.timeoutMs), limits.bytesMax));
    const decoded = decoder(response.headers["content-encoding"]);
    const plain = decoded === undefined ? arrived : chained(arrived, decoded);
    yield* whole(limited(unpacked(plain), limits.bytesMax), limits.expectedBytes);
  } catch (error) {
    throw error instanceof TransferError
      ? error
      : new TransferError(bodyFault(error), { cause: error });
  } finally {
    response.destroy();
  }
}

/** What a server did wrong; the message ends a sentence that begins with its URL. */
export class TransferError extends Error {
  /** It has the file, but nobody wants it: no other try helps. */
  readonly isTooLarge: boolean;

  constructor(message: string, options: { cause?: unknown; isTooLarge?: boolean } = {}) {
    super(message, options);
    this.isTooLarge = options.isTooLarge ?? false;
  }
}

function bodyFault(error: unknown): string {
  const { code = "" } = error as NodeJS.ErrnoException;
  if (code === "ECONNRESET" || code === "ABORT_ERR") return "cut its answer short";
  if (code === "Z_BUF_ERROR") return "cut its compressed answer short";
  if (code.startsWith("Z_") || code.startsWith("ZSTD_")) return "sent broken compressed data";
  return whyOf(error as Error);
}

async function* limited(
  pieces: AsyncIterable<Uint8Array>,
  bytesMax: number,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    if (bytes > bytesMax) {
      throw new TransferError(`has a file of more than ${bytesMax} bytes`, { isTooLarge: true });
    }
    yield piece;
  }
}

/** A proxy that gives up in the middle may end its answer as if that were all. */
async function* whole(
  pieces: AsyncIterable<Uint8Array>,
  expectedBytes: number,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    yield piece;
  }
  if (bytes < expectedBytes) {
    throw new TransferError(`cut its answer short, at ${bytes} of ${expectedBytes} bytes`);
  }
}

/** Ends an answer that comes too slowly. */
async function* paced(response: IncomingMessage, timeoutMs: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  const check = (): void => {
    // While the reader is busy with what has come, the server is not to blame.
    if (bytes < SLOWEST_BYTES && response.readableLength === 0) {
      response.destroy(new Error(`sends less than ${SLOWEST_BYTES} bytes in ${timeoutMs} ms`));
    }
    bytes = 0;
  };
  const timer = timeoutMs > 0 ? setInterval(check, timeoutMs) : undefined;
  try {
    for await (const piece of response as AsyncIterable<Uint8Array>) {
      bytes += piece.length;
      yield piece;
    }
  } finally {
    clearInterval(timer);
  }
}

type Decoder = NodeJS.ReadWriteStream & Readable;

function decoder(encoding: string | undefined): Decoder | undefined {
  switch (encoding?.trim().toLowerCase()) {
    case undefined:
    case "":
    case "identity":
      return undefined;
    case "gzip":
    case "x-gzip":
      return createGunzip();
    case "deflate":
      return createInflate();
    case "zstd":
      return createZstdDecompress();
    default:
      throw new TransferError(`uses the content encoding ${encoding}, which is not known`);
  }
}

/** By the first bytes, as stores keep files under names that do not tell. */
function decoderOfMagic(bytes: Uint8Array): Decoder | undefined {
  const [a = 0, b = 0, c = 0, d = 0] = bytes;
  if (a === 0x1f && b === 0x8b) return createGunzip();
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return createZstdDecompress();
  // RFC 1950: deflate with a window of 32 KiB, and a check that makes it a multiple of 31.
  if (a === 0x78 && ((a << 8) | b) % 31 === 0) return createInflate();
  return undefined;
}

async function* unpacked(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = pieces[Symbol.asyncIterator]();
  const head = await firstBytes(iterator);
  const decoded = decoderOfMagic(head);
  const whole = rejoined(head, iterator);
  yield* decoded === undefined ? whole : chained(Readable.from(whole), decoded);
}

const MAGIC_BYTES = 4;

async function firstBytes(iterator: AsyncIterator<Uint8Array>): Promise<Uint8Array> {
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < MAGIC_BYTES) {
    const { done, value } = await iterator.next();
    if (done) break;
    head = head.length === 0 ? value : Buffer.concat([head, value]);
  }
  return head;
}

async function* rejoined(
  head: Uint8Array,
  iterator: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    if (head.length > 0) yield head;
    yield* { [Symbol.asyncIterator]: () => iterator };
  } finally {
    await iterator.return?.();
  }
}

/** An error of the source is one of the result, and whoever stops reading stops the source. */
function chained(source: Readable, decoded: Decoder): AsyncIterable<Uint8Array> {
  return pipeline(source, decoded, () => {}) as unknown as AsyncIterable<Uint8Array>;
}
