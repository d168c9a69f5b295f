import { randomBytes, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { SERVED_PROFILES_PATH } from "../profiles/flamegraph/columns.ts";
import { CollectorError } from "../support/errors.ts";

const HOST = "127.0.0.1";

/** A browser asks for a handful of files at once. */
const CONNECTIONS_MAX = 64;
const REQUEST_TIMEOUT_MS = 10_000;
const HEADER_BYTES_MAX = 16 * 1024;

/** Everything comes from here, nothing is sent elsewhere, nothing may stand in a frame. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "worker-src 'self' blob:",
  "img-src data: blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const HEADERS = {
  "Content-Security-Policy": POLICY,
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cache-Control": "no-store",
};

/** What is served under one path, relative to the page. */
export interface ServedFile {
  readonly type: string;
  readonly bytes: Uint8Array;
}

/** A profile that the page shows. */
export interface ServedProfile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * Serves the page and the profiles to this machine's user, and to nobody else: the URL holds a
 * secret that other users and other sites do not know, and a request by another name than this
 * address (DNS rebinding) is refused before anything else is looked at.
 */
export class ViewServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #token = randomBytes(16).toString("base64url");
  readonly #files: ReadonlyMap<string, ServedFile>;

  private constructor(files: ReadonlyMap<string, ServedFile>) {
    this.#files = files;
    this.#server = createServer(
      { maxHeaderSize: HEADER_BYTES_MAX, requestTimeout: REQUEST_TIMEOUT_MS },
      (request, response) => this.#answer(request, response),
    );
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /**
   * @param page  files by name, "" being the page itself
   * @param port  0 for any that is free
   * @throws CollectorError CONFIG_INVALID  the port is taken, or may not be used
   */
  static async start(
    page: ReadonlyMap<string, ServedFile>,
    profiles: readonly ServedProfile[],
    port: number,
  ): Promise<ViewServer> {
    const server = new ViewServer(new Map([...page, ...profileFiles(profiles)]));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.#server.once("error", (error: NodeJS.ErrnoException) => {
      reject(new CollectorError("CONFIG_INVALID", `port ${port}: ${sentenceOf(error)}`));
    });
    server.#server.listen(port, HOST, resolve);
    await promise;
    return server;
  }

  /** Where the page is, the secret included. */
  get url(): string {
    return `http://${HOST}:${this.#port}/${this.#token}/`;
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    await promise;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const found = this.#find(request);
    const file = typeof found === "number" ? EMPTY : found;
    response.writeHead(typeof found === "number" ? found : 200, {
      ...HEADERS,
      "Content-Type": file.type,
      "Content-Length": file.bytes.length,
    });
    response.end(request.method === "HEAD" ? undefined : file.bytes);
  }

  /** What is asked for, or the status that refuses it. */
  #find({ headers, url, method }: IncomingMessage): ServedFile | number {
    const names = [`${HOST}:${this.#port}`, `localhost:${this.#port}`];
    if (!names.includes(headers.host ?? "")) return 421;
    const [, token = "", path] = /^\/([^/?]*)\/([^?]*)/.exec(url ?? "") ?? [];
    if (path === undefined || !this.#isToken(token)) return 404;
    if (method !== "GET" && method !== "HEAD") return 405;
    return this.#files.get(path) ?? 404;
  }

  #isToken(text: string): boolean {
    const given = Buffer.from(text);
    const wanted = Buffer.from(this.#token);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }
}

const EMPTY: ServedFile = { type: "text/plain", bytes: new Uint8Array() };

/** The list that the page fetches, and what it names. */
function profileFiles(profiles: readonly ServedProfile[]): Map<string, ServedFile> {
  const files = new Map<string, ServedFile>();
  const urls = profiles.map(({ name, bytes }, at) => {
    const url = `${SERVED_PROFILES_PATH}/${at}/${encodeURIComponent(name.toWellFormed())}`;
    files.set(url, { type: "application/octet-stream", bytes });
    return url;
  });
  const list = new TextEncoder().encode(JSON.stringify(urls));
  return files.set(SERVED_PROFILES_PATH, { type: "application/json", bytes: list });
}

function sentenceOf(error: NodeJS.ErrnoException): string {
  if (error.code === "EADDRINUSE") return "it is taken by another program";
  if (error.code === "EACCES") return "only root may use it";
  return error.message;
}
