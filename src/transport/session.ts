import { CollectorError } from "../support/errors.ts";
import { SendsUnderWay } from "./sends.ts";

/** What an exporter sends by. */
export interface Client {
  /** Gives the connections back, also those in use. */
  close(): void;
}

interface Opened<OwnClient> {
  readonly client: Promise<OwnClient>;
  readonly sends: SendsUnderWay;
}

/**
 * The client of an exporter between its start and its stop, with what is sent by it. After a stop,
 * as after a start that failed, it can be started again.
 */
export class ClientSession<OwnClient extends Client> {
  readonly #owner: string;
  readonly #open: () => Promise<OwnClient>;
  #opened: Opened<OwnClient> | undefined;

  /**
   * @param owner  the type of the exporter, for the error of one that was not started
   * @param open   makes the client; it may read files and fail
   */
  constructor(owner: string, open: () => Promise<OwnClient>) {
    this.#owner = owner;
    this.#open = open;
  }

  /** Rejects with what `open` rejects with, and then nothing is left open. */
  async start(): Promise<void> {
    this.#opened ??= { client: this.#open(), sends: new SendsUnderWay() };
    const opened = this.#opened;
    try {
      await opened.client;
    } catch (error) {
      if (this.#opened === opened) this.#opened = undefined;
      throw error;
    }
  }

  /**
   * Begins a send at once. The signal is aborted by a stop that has waited long enough; the send
   * must then reject soon.
   *
   * @throws CollectorError INTERNAL  not started, or stopped
   * @throws CollectorError UNAVAILABLE_RETRYABLE  stopping
   */
  async run<Result>(
    send: (client: OwnClient, signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    const opened = this.#opened;
    if (opened === undefined)
      throw new CollectorError("INTERNAL", `${this.#owner} was not started`);
    return await opened.sends.run(async (signal) => send(await opened.client, signal));
  }

  /** Waits for what is under way, for STOP_WAIT_MAX_MS at most, and closes the client. */
  async stop(): Promise<void> {
    const opened = this.#opened;
    if (opened === undefined) return;
    await opened.sends.stop();
    // Why it could not be opened was told to who started it.
    const client = await opened.client.catch(() => undefined);
    client?.close();
    if (this.#opened === opened) this.#opened = undefined;
  }
}
