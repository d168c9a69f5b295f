import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { isCollectorError } from "../../support/errors.ts";
import { STOP_WAIT_MAX_MS } from "../sends.ts";

/** How much later than its time something may end on a busy machine. */
const LATENESS_MAX_MS = 1500;
/** Between the end of a stop and that of the sends which it gave up. */
const PROMPTLY_MS = 250;

export interface SilentServer extends AsyncDisposable {
  /** "127.0.0.1:PORT" */
  readonly address: string;
}

/** A server that takes connections and never says a word, not even in a handshake. */
export async function startSilentServer(): Promise<SilentServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).resume();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      const closed = once(server.close(), "close");
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Asserts that a stop ends after its five seconds, and with it whatever `consume` is pending. */
export async function assertGivesUp(
  exporter: { stop(): Promise<void> },
  pending: readonly Promise<unknown>[],
): Promise<void> {
  const startMs = performance.now();
  const ends = Promise.all(
    pending.map(async (sent) => {
      await assert.rejects(sent, (error) => {
        assert.ok(isCollectorError(error, "UNAVAILABLE_RETRYABLE"), String(error));
        assert.match(error.message, /before the stop/);
        return true;
      });
      return performance.now();
    }),
  );
  await exporter.stop();
  const stoppedMs = performance.now();
  const tookMs = stoppedMs - startMs;
  assert.ok(tookMs > STOP_WAIT_MAX_MS - 500, `stopped after ${tookMs} ms`);
  assert.ok(tookMs < STOP_WAIT_MAX_MS + LATENESS_MAX_MS, `stopped after ${tookMs} ms`);
  for (const endMs of await ends) {
    assert.ok(endMs - stoppedMs < PROMPTLY_MS, `a send ended ${endMs - stoppedMs} ms later`);
  }
}
