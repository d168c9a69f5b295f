import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { sleep } from "../../support/clock.ts";
import { CollectorError } from "../../support/errors.ts";
import type { ListenAddress } from "./listen-address.ts";

/** Connections of one listener: a fleet keeps one for each agent. */
export const CONNECTIONS_MAX = 4096;

/** `host:port` of a server that listens. */
export function boundAddress(server: Server): string {
  const address = server.address() as AddressInfo;
  const { port, family } = address;
  return family === "IPv6" ? `[${address.address}]:${port}` : `${address.address}:${port}`;
}

/**
 * Resolves when the server listens.
 *
 * @param key  of the configuration, for the error
 * @throws CollectorError CONFIG_INVALID  the address is taken, or is not of this host
 */
export async function listen(server: Server, address: ListenAddress, key: string): Promise<void> {
  server.maxConnections = CONNECTIONS_MAX;
  const { host, port } = address;
  try {
    await once(server.listen({ port, ...(host !== undefined && { host }) }), "listening");
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? String(error);
    const message = `${key} ${host ?? ""}:${port} cannot be listened on: ${why}`;
    throw new CollectorError("CONFIG_INVALID", message, { cause: error });
  }
}

/** The other end of a connection. */
export interface Peer {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

function peerName({ remoteAddress, remotePort }: Peer): string {
  return `${remoteAddress} ${remotePort}`;
}

/** A TCP or TLS server that knows its connections, so that it can cut them. */
export class SocketListener {
  readonly #server: Server;
  /** By the other end's address. */
  readonly #sockets = new Map<string, Socket>();
  #onEmpty: (() => void) | undefined;

  /** @param tls  with the protocols to agree on; plain TCP without it */
  constructor(onConnection: (socket: Socket) => void, tls: TlsOptions | undefined) {
    const take = (socket: Socket): void => {
      // A client that goes away is no fault of the server's.
      socket.on("error", () => {});
      onConnection(socket);
    };
    this.#server = tls === undefined ? createServer(take) : createTlsServer(tls, take);
    // Nobody else ends a connection whose handshake failed, or took too long.
    this.#server.on("tlsClientError", (_error: Error, socket: Socket) => socket.destroy());
    // Below TLS, so that a handshake which hangs is known too.
    this.#server.on("connection", (socket: Socket) => {
      // Known now, and no more when TLS or HTTP/2 has taken the socket over.
      const peer = peerName(socket);
      this.#sockets.set(peer, socket);
      socket.on("close", () => this.#forget(peer)).on("error", () => {});
    });
  }

  get address(): string {
    return boundAddress(this.#server);
  }

  async listen(address: ListenAddress, key: string): Promise<void> {
    await listen(this.#server, address, key);
  }

  /** Takes no new connection; those that there are go on. */
  refuseNew(): void {
    this.#server.close();
  }

  /** Resolves when there is no connection any more, or after so long. */
  async drained(waitMs: number): Promise<void> {
    if (this.#sockets.size === 0) return;
    const end = new AbortController();
    this.#onEmpty = () => end.abort();
    await sleep(waitMs, end.signal);
  }

  /** Ends one connection, when it is still there. */
  cutPeer(peer: Peer): void {
    this.#sockets.get(peerName(peer))?.destroy();
  }

  #forget(peer: string): void {
    this.#sockets.delete(peer);
    if (this.#sockets.size === 0) this.#onEmpty?.();
  }

  cut(): void {
    for (const socket of this.#sockets.values()) socket.destroy();
  }
}
