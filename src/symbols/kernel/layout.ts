import { countBefore } from "../../support/sorted-search.ts";

/** Where the running kernel's code lies, as its own files say. */
export interface KernelFacts {
  /** Address of `_text`; 0 when it is hidden. */
  readonly textStart: bigint;
  readonly modules: readonly KernelModule[];
  /** GNU build id, lower-case hex; "" when it is hidden. */
  readonly buildId: string;
  /** Why there are no names, when there are none. */
  readonly missing?: string;
}

export interface KernelModule {
  readonly name: string;
  readonly start: bigint;
  readonly size: number;
  /** GNU build id, lower-case hex; left out when it is not known. */
  readonly buildId?: string;
}

/** The name by which profiles know the kernel itself; pprof tells the kernel by its start. */
export const KERNEL_MAPPING = "[kernel.kallsyms]";

/** A place in the kernel that does not tell where the kernel lies. */
export interface KernelPlace {
  /** KERNEL_MAPPING, or a module's name in brackets. */
  readonly mappingName: string;
  /** From `_text`, or from the module's start. */
  readonly offset: bigint;
}

/**
 * Turns kernel addresses into distances from the start of the kernel or of a module, and back.
 * Only the distances leave the program: an address would give away where the kernel is loaded.
 */
export class KernelLayout {
  /** Why there are no names, when there are none. */
  readonly missing: string | undefined;
  readonly #buildIds = new Map<string, string>();
  readonly #textStart: bigint;
  /** Sorted by start. */
  readonly #modules: readonly KernelModule[];
  readonly #starts = new Map<string, bigint>();

  constructor(facts: KernelFacts) {
    this.#buildIds.set(KERNEL_MAPPING, facts.buildId);
    this.missing = facts.missing;
    this.#textStart = facts.textStart;
    this.#modules = facts.modules
      .filter((module) => module.start !== 0n)
      .toSorted((a, b) => (a.start < b.start ? -1 : 1));
    for (const { name, start, buildId } of this.#modules) {
      this.#starts.set(moduleMapping(name), start);
      this.#buildIds.set(moduleMapping(name), buildId ?? "");
    }
    if (facts.textStart !== 0n) this.#starts.set(KERNEL_MAPPING, facts.textStart);
  }

  /** With hidden addresses every place is the kernel's start: nothing may be given away. */
  locate(address: bigint): KernelPlace {
    const module = this.#moduleAt(address);
    if (module !== undefined) {
      return { mappingName: moduleMapping(module.name), offset: address - module.start };
    }
    const offset = this.#textStart === 0n ? 0n : BigInt.asUintN(64, address - this.#textStart);
    return { mappingName: KERNEL_MAPPING, offset };
  }

  /** The build id of the kernel, or of a module, by its mapping's name; "" when not known. */
  buildIdOf(mappingName: string): string {
    return this.#buildIds.get(mappingName) ?? "";
  }

  /** The address of a place of this kernel; undefined when it does not have it. */
  addressOf(place: KernelPlace): bigint | undefined {
    const start = this.#starts.get(place.mappingName);
    return start === undefined ? undefined : BigInt.asUintN(64, start + place.offset);
  }

  #moduleAt(address: bigint): KernelModule | undefined {
    const modules = this.#modules;
    const after = countBefore(modules.length, (row) => {
      return (modules[row] as KernelModule).start <= address;
    });
    const module = modules[after - 1];
    return module !== undefined && address < module.start + BigInt(module.size)
      ? module
      : undefined;
  }
}

function moduleMapping(name: string): string {
  return `[${name}]`;
}
