import { askWithDebugFiles } from "./debug-file-questions.ts";
import {
  type ExecutableFile,
  type ExecutableInfo,
  isMissing,
  type Missing,
  type SymbolFrame,
} from "./executable-file.ts";
import {
  FileReader,
  type FileReaderCounters,
  type FileReaderOptions,
  KERNEL,
  UNWIND_TABLES,
} from "./file-reader.ts";
import { FrameCache } from "./frame-cache.ts";
import { IndexMaker, type IndexOptions } from "./index-maker.ts";
import type { JitMapFile } from "./jit/jit-maps.ts";
import { type KernelFacts, KernelLayout } from "./kernel/layout.ts";
import { filled, type NamedAddresses } from "./named-addresses.ts";
import type { NamingOptions } from "./native/file-symbols.ts";
import type { DebugFileFinder } from "./native/opened-symbols.ts";
import { SourceMaps } from "./source-maps.ts";
import type {
  FoundFrames,
  FramesOfAddresses,
  LoadedTable,
  TableTarget,
  TooLarge,
} from "./worker-protocol.ts";

/** Addresses of the kernel whose frames are kept. */
const KERNEL_FRAMES_MAX = 65_536;

/** How frames are named. */
export interface FrameOptions extends NamingOptions {
  /** By debug information too; else by symbol tables alone. */
  readonly lines: boolean;
}

/** How frames of a runtime's code are named, by the names of a configuration. */
export interface JitOptions {
  readonly demangle: boolean;
  /** Scripts are shown as they were written. */
  readonly source_maps: boolean;
}

/** Names addresses of files and of the kernel, and knows those that it named before. */
export class Symbolizer implements AsyncDisposable {
  readonly #reader: FileReader;
  readonly #frames = new FrameCache();
  readonly #kernelFrames = new Map<bigint, readonly SymbolFrame[]>();
  readonly #options: FileReaderOptions;
  readonly #sourceMaps: SourceMaps;
  #indexes: IndexMaker | undefined;
  /** Resolves when the last map that was asked about is done with. */
  #lastMapRead: Promise<void> = Promise.resolve();

  constructor(options: FileReaderOptions) {
    this.#options = options;
    this.#reader = new FileReader(options);
    this.#sourceMaps = new SourceMaps(this.#reader);
  }

  /** From now on debug information that is often asked for is made into an index. */
  keepIndexes(options: IndexOptions): void {
    this.#indexes ??= new IndexMaker(options, this.#options);
  }

  get counters(): FileReaderCounters {
    return this.#reader.counters;
  }

  /** Reads a file's identity. */
  identify(file: ExecutableFile): Promise<ExecutableInfo | Missing> {
    return this.#reader.askAboutFile(file, (sent) => ({ kind: "identify", file: sent }));
  }

  /**
   * Names addresses of a file, which are its own virtual addresses. The file is opened only for
   * what was not found before.
   *
   * @param finder  finds the files that have its debug information; when not given, nobody looks
   * @returns for each address its frames, innermost first, or why they are not known
   */
  async symbolize(
    file: ExecutableFile,
    addresses: BigUint64Array,
    naming: FrameOptions,
    finder?: () => Promise<DebugFileFinder>,
  ): Promise<NamedAddresses> {
    const cacheKey = cacheKeyOf(file, naming);
    const known = this.#frames.find(cacheKey, addresses);
    const asked = addresses.filter((_, index) => known[index] === undefined);
    if (asked.length === 0) return known as NamedAddresses;
    const found = await this.#askInSteps(file, { addresses: asked, naming }, finder);
    if (isMissing(found)) return filled(known, found);
    this.#frames.keep(cacheKey, found);
    if (found.isCostly === true) this.#indexes?.noteCostly(file, finder);
    return filled(known, found.frames);
  }

  /** A file whose debug information costs the worker is named by its symbol table. */
  async #askInSteps(
    file: ExecutableFile,
    asked: Asked,
    finder: (() => Promise<DebugFileFinder>) | undefined,
  ): Promise<FoundFrames | Missing> {
    if (asked.naming.lines) {
      const index = this.#indexes?.placeOf(file);
      const question = { kind: "symbolize", ...asked, lines: true, index } as const;
      const found = await askWithDebugFiles<"symbolize">(
        this.#reader,
        file,
        (sent, debugFiles) => ({ ...question, file: sent, debugFiles }),
        finder,
      );
      if (!isMissing(found) || found.kind !== "given_up") return found;
    }
    const question = { kind: "symbolize", ...asked, lines: false } as const;
    const answer = await this.#reader.askAboutFile(file, (sent) => ({ ...question, file: sent }));
    return "role" in answer ? NOT_NAMED : answer;
  }

  /** Names addresses of the code that a runtime made, as its map and source maps say now. */
  async symbolizeJit(
    map: JitMapFile,
    addresses: BigUint64Array,
    { demangle, source_maps: usesSourceMaps }: JitOptions,
  ): Promise<NamedAddresses | Missing> {
    const found = await this.#askJit(map, addresses);
    if (isMissing(found)) return found;
    const frames = usesSourceMaps
      ? await this.#sourceMaps.apply(found, map.owner, map.scripts())
      : found;
    if (demangle) return frames;
    return frames.map((each) => each.map((frame) => ({ ...frame, name: frame.systemName })));
  }

  /**
   * Other maps wait while one is read: what is kept of all has a limit, and long ones that are read
   * in parts by turns would push one another out.
   */
  async #askJit(map: JitMapFile, addresses: BigUint64Array): Promise<FramesOfAddresses | Missing> {
    const before = this.#lastMapRead;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#lastMapRead = promise;
    await before;
    try {
      return await this.#askInParts(map, addresses);
    } finally {
      resolve();
    }
  }

  /** A long map is read in parts, files having their turns between them. */
  async #askInParts(
    map: JitMapFile,
    addresses: BigUint64Array,
  ): Promise<FramesOfAddresses | Missing> {
    const { key, fd, kind } = map;
    const question = { kind: "name-jit", map: { key, fd, kind }, addresses } as const;
    let holders = 1;
    const release = (): void => {
      if (--holders === 0) map[Symbol.dispose]();
    };
    try {
      for (let part = 0; part < MAP_PARTS_MAX; part++) {
        holders++;
        const answer = await this.#reader.ask<"name-jit">(question, { key, release });
        if (answer !== "not all read") return answer;
      }
      return NOT_ALL_READ;
    } finally {
      release();
    }
  }

  /**
   * Compiles a file's unwind table and puts it into the kernel.
   *
   * @param demand  of those that wait the one with the largest is the next
   */
  loadUnwindTable(
    file: ExecutableFile,
    target: TableTarget,
    demand: () => number,
  ): Promise<LoadedTable | TooLarge | Missing> {
    const subject = `unwind table of ${file.key}`;
    return this.#reader.askAboutFile(
      file,
      (sent) => ({ kind: "load-unwind-table", file: sent, target }),
      { lane: "tables", subject, demand },
    );
  }

  /** Gives up all tables for a map. When it resolves, nothing is written into it any more. */
  cancelUnwindTables(slots: number): Promise<void> {
    return this.#reader.cancel((request) => {
      if (request.kind === "load-unwind-table") return request.target.slots === slots;
      return request.kind === "drop-unwind-tables" && request.slots === slots;
    });
  }

  /**
   * Takes tables out of the kernel.
   *
   * @returns true when no program reads them any more; false when they may still be there
   */
  async dropUnwindTables(slots: number, dropped: readonly number[]): Promise<boolean> {
    const question = { kind: "drop-unwind-tables", slots, dropped } as const;
    // Before every other: it makes room for them.
    const demand = (): number => Number.POSITIVE_INFINITY;
    const options = { key: UNWIND_TABLES, lane: "tables", demand } as const;
    return !isMissing(await this.#reader.ask<"drop-unwind-tables">(question, options));
  }

  /** Lets go of the names that were found in a file. */
  forget(file: ExecutableFile): void {
    for (const demangle of [true, false]) {
      this.#frames.forget(cacheKeyOf(file, { demangle, lines: false, inlines: false }));
      for (const inlines of [true, false]) {
        this.#frames.forget(cacheKeyOf(file, { demangle, lines: true, inlines }));
      }
    }
  }

  /** Reads where the running kernel lies. */
  async kernelLayout(): Promise<KernelLayout> {
    const facts = await this.#reader.ask<"kernel-facts">({ kind: "kernel-facts" }, { key: KERNEL });
    this.#kernelFrames.clear();
    return new KernelLayout({ ...HIDDEN_KERNEL, ...facts });
  }

  /** Names addresses of the running kernel. */
  async symbolizeKernel(addresses: BigUint64Array): Promise<NamedAddresses> {
    const known = Array.from(addresses, (address) => this.#kernelFrames.get(address));
    const asked = addresses.filter((_, index) => known[index] === undefined);
    const question = { kind: "kernel-symbolize", addresses: asked } as const;
    const found =
      asked.length === 0
        ? []
        : await this.#reader.ask<"kernel-symbolize">(question, { key: KERNEL });
    if (this.#kernelFrames.size + asked.length > KERNEL_FRAMES_MAX) this.#kernelFrames.clear();
    if (!isMissing(found)) {
      for (const [index, address] of asked.entries()) {
        this.#kernelFrames.set(address, found[index] ?? []);
      }
    }
    return filled(known, found);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#indexes?.[Symbol.asyncDispose]();
    await this.#reader[Symbol.asyncDispose]();
  }
}

/** What is known of a kernel of which nothing could be read. */
const HIDDEN_KERNEL: KernelFacts = { textStart: 0n, modules: [], buildId: "" };

/** More than the longest map has. What is left then is read the next time. */
const MAP_PARTS_MAX = 160;
const NOT_ALL_READ: Missing = { missing: "its map is so long that it is still being read" };

const NOT_NAMED: Missing = { missing: "its symbol table alone is not enough" };

interface Asked {
  readonly addresses: BigUint64Array;
  readonly naming: FrameOptions;
}

function cacheKeyOf(
  { buildId, key }: ExecutableFile,
  { demangle, lines, inlines }: FrameOptions,
): string {
  return `${demangle} ${lines} ${lines && inlines} ${buildId} ${key}`;
}
