import { Metadata, ServerInterceptingCall, type ServerInterceptor } from "@grpc/grpc-js";
import { CollectorError } from "../../support/errors.ts";
import type { Admission, Admitted } from "../../transport/server/admission.ts";
import type { Gate } from "../../transport/server/gate.ts";
import type { Peer } from "../../transport/server/listener.ts";
import { type Status, statusBytes } from "../../transport/server/rpc-status.ts";
import { refusalOf } from "./refusal.ts";

/** A client must have sent its whole message within this time, once it may. */
const MESSAGE_WAIT_MAX_MS = 10_000;
/** Who gets no turn within this time is asked to come again. */
const TURN_WAIT_MAX_MS = 10_000;
/** A client that is cut has this long to take its answer. */
const ANSWER_WAIT_MS = 100;

export interface ReadGuardOptions {
  readonly admission: Admission;
  /** Calls whose message is read at the same time. */
  readonly turns: Gate;
  /** Called for each call that was ended here. */
  readonly onRefusal: () => void;
  /** Ends the connection of a call that was too slow: what it has sent is held until then. */
  readonly cut: (peer: Peer) => void;
}

/**
 * Guards calls while their message is read, which grpc-js does by itself and of which nothing is
 * seen before it is whole. A call that has no turn is not read beyond its HTTP/2 window.
 */
export function readGuard(options: ReadGuardOptions): ServerInterceptor {
  return (_method, call) => {
    const reading = new Reading(options);
    const intercepting: ServerInterceptingCall = new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, nextMetadata) => {
            const refuse = (error: unknown): void => intercepting.sendStatus(statusOf(error));
            const tooSlow = (error: unknown): void => {
              refuse(error);
              setTimeout(() => options.cut(call.getConnectionInfo()), ANSWER_WAIT_MS).unref();
            };
            const read = (): void => nextMetadata(metadata);
            void reading.begin({ read, refuse, tooSlow });
          },
          onReceiveMessage: (message, nextMessage) => {
            reading.end();
            nextMessage(message);
          },
          onCancel: () => reading.end(),
        }),
      sendStatus: (status, next) => {
        reading.end();
        next(status);
      },
    });
    return intercepting;
  };
}

interface Outcomes {
  readonly read: () => void;
  readonly refuse: (error: unknown) => void;
  readonly tooSlow: (error: unknown) => void;
}

/** One message that is read. */
class Reading {
  readonly #options: ReadGuardOptions;
  #admitted: Admitted | undefined;
  #leave: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #ended = new AbortController();

  constructor(options: ReadGuardOptions) {
    this.#options = options;
  }

  /** Never rejects: calls `read` or `refuse`, and after `read` perhaps `tooSlow`. */
  async begin({ read, refuse, tooSlow }: Outcomes): Promise<void> {
    const { admission, turns, onRefusal } = this.#options;
    try {
      this.#admitted = admission.enter();
      const { signal } = this.#ended;
      const leave = await turns.enter(TURN_WAIT_MAX_MS, signal);
      if (signal.aborted) {
        leave();
        return;
      }
      this.#leave = leave;
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      onRefusal();
      refuse(error);
      return;
    }
    this.#timer = setTimeout(() => {
      onRefusal();
      const message = `no whole message within ${MESSAGE_WAIT_MAX_MS} ms`;
      tooSlow(new CollectorError("UNAVAILABLE_RETRYABLE", message));
    }, MESSAGE_WAIT_MAX_MS);
    this.#timer.unref();
    read();
  }

  end(): void {
    this.#ended.abort();
    clearTimeout(this.#timer);
    this.#admitted?.release();
    this.#leave?.();
    this.#leave = undefined;
  }
}

function statusOf(error: unknown): { code: number; details: string; metadata: Metadata } {
  const { status } = refusalOf(error);
  return { code: status.code, details: status.message, metadata: detailsOf(status) };
}

/** What a status says beside its sentence. */
export function detailsOf(status: Status): Metadata {
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(statusBytes(status)));
  return metadata;
}
