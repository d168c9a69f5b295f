import type { Logger } from "../support/logger.ts";

/**
 * Names a thing that several components of one program share, and says how to make it. The
 * row that owns the thing exports its key; this row need not know what it is.
 */
export interface SharedKey<Service extends AsyncDisposable> {
  readonly name: string;
  readonly create: (context: { readonly logger: Logger }) => Service;
}

/**
 * Holds each shared thing once: made when a component first asks for it, ended after the last
 * component has stopped, newest first.
 */
export class SharedServices implements AsyncDisposable {
  readonly #logger: Logger;
  readonly #services = new Map<SharedKey<AsyncDisposable>, AsyncDisposable>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get<Service extends AsyncDisposable>(key: SharedKey<Service>): Service {
    const known = this.#services.get(key);
    if (known !== undefined) return known as Service;
    const service = key.create({ logger: this.#logger });
    this.#services.set(key, service);
    return service;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // One that cannot end does not keep the others from it.
    await using ending = new AsyncDisposableStack();
    for (const service of this.#services.values()) ending.use(service);
    this.#services.clear();
  }
}
