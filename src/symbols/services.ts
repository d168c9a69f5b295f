import type { SharedKey } from "../pipeline/shared-services.ts";
import type { Logger } from "../support/logger.ts";
import { ExecutableRegistry } from "./executables.ts";
import type { KernelLayout } from "./kernel/layout.ts";
import { Symbolizer } from "./symbolizer.ts";

/** What the parts of a pipeline share to know code by its address. */
export class SymbolServices implements AsyncDisposable {
  readonly symbolizer: Symbolizer;
  readonly executables: ExecutableRegistry;
  #kernel: Promise<KernelLayout> | undefined;

  constructor(logger: Logger) {
    this.symbolizer = new Symbolizer({ logger });
    this.executables = new ExecutableRegistry(this.symbolizer);
  }

  /** Where the running kernel lies, read once. */
  kernelLayout(): Promise<KernelLayout> {
    this.#kernel ??= this.symbolizer.kernelLayout();
    return this.#kernel;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.symbolizer[Symbol.asyncDispose]();
    this.executables[Symbol.dispose]();
  }
}

export const symbolServices: SharedKey<SymbolServices> = {
  name: "symbols",
  create: ({ logger }) => new SymbolServices(logger),
};
