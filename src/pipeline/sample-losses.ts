import type { SharedKey } from "./shared-services.ts";

/**
 * Samples that receivers took and could not keep, over the whole program. A batch cannot say it:
 * its attributes become labels at some destinations. Who reports on batches reads it here.
 */
export class SampleLosses implements AsyncDisposable {
  #total = 0;

  add(samples: number): void {
    this.#total += samples;
  }

  /** Since the start. */
  get total(): number {
    return this.#total;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

export const sampleLosses: SharedKey<SampleLosses> = {
  name: "sample losses",
  create: () => new SampleLosses(),
};
