import { readFile } from "node:fs/promises";
import type { SharedKey } from "../pipeline/shared-services.ts";
import type { Logger } from "../support/logger.ts";
import { ExecutableRegistry } from "./executables.ts";
import { JitMaps } from "./jit/jit-maps.ts";
import type { KernelLayout } from "./kernel/layout.ts";
import { Symbolizer } from "./symbolizer.ts";

/** What the parts of a pipeline share to know code by its address. */
export class SymbolServices implements AsyncDisposable {
  readonly symbolizer: Symbolizer;
  readonly executables: ExecutableRegistry;
  readonly jitMaps: JitMaps = new JitMaps();
  readonly #readModules: () => Promise<string>;
  #kernel: Promise<KernelLayout> | undefined;
  /** The modules that `#kernel` knows. */
  #modules = "";

  /** @param readModules  the text of /proc/modules */
  constructor(logger: Logger, readModules: () => Promise<string> = readLoadedModules) {
    this.#readModules = readModules;
    this.symbolizer = new Symbolizer({ logger });
    this.executables = new ExecutableRegistry(this.symbolizer);
  }

  /**
   * Where the running kernel lies. Read again when a module was loaded or unloaded: another one may
   * lie where that was, and would get its names.
   */
  async kernelLayout(): Promise<KernelLayout> {
    const modules = placesOf(await this.#readModules());
    if (this.#kernel === undefined || modules !== this.#modules) {
      this.#modules = modules;
      this.#kernel = this.symbolizer.kernelLayout();
    }
    return this.#kernel;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.symbolizer[Symbol.asyncDispose]();
    this.executables[Symbol.dispose]();
    this.jitMaps[Symbol.dispose]();
  }
}

/** Of /proc/modules, name, size and address of each: its counts of users change all the time. */
function placesOf(text: string): string {
  return text
    .split("\n")
    .map((line) => line.split(" "))
    .map(([name, size, , , , address]) => `${name} ${size} ${address}`)
    .join("\n");
}

async function readLoadedModules(): Promise<string> {
  try {
    return await readFile("/proc/modules", "utf8");
  } catch {
    // A kernel without modules, or a container that hides the file.
    return "";
  }
}

export const symbolServices: SharedKey<SymbolServices> = {
  name: "symbols",
  create: ({ logger }) => new SymbolServices(logger),
};
