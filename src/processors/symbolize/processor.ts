import type { Processor, ProfileConsumer, SourceContext } from "../../pipeline/component.ts";
import { valueText } from "../../profiles/attribute-value.ts";
import type { Dictionary } from "../../profiles/dictionary.ts";
import type { ProfileBatch } from "../../profiles/profile.ts";
import {
  ANONYMOUS_MAPPING,
  isUnresolved,
  unresolvedNameOf,
} from "../../profiles/unresolved-name.ts";
import { defaultCacheFolder } from "../../support/cache-folder.ts";
import type { Logger } from "../../support/logger.ts";
import {
  isMissing,
  type Missing,
  type MissingKind,
  type SymbolFrame,
} from "../../symbols/executable-file.ts";
import { PROGRAM_NUMBER_ATTRIBUTE, type ProfiledProgram } from "../../symbols/jit/jit-maps.ts";
import type { NamedAddresses } from "../../symbols/named-addresses.ts";
import { type SymbolServices, symbolServices } from "../../symbols/services.ts";
import type { DebugFiles } from "../../symbols/sources/debug-files.ts";
import { StoredExecutables } from "../../symbols/stored-executables.ts";
import type { SymbolizeConfig } from "./config.ts";
import { setTiers } from "./frame-tiers.ts";
import { addSymbolizeMetrics } from "./metrics.ts";

/** Why a frame has no name. */
export type UnnamedReason = MissingKind | "no_symbol";

/** What the processor has done so far, in frames of samples: a frame counts once a sample. */
export interface SymbolizeCounters {
  readonly samples: number;
  /** Of them: those whose stack a receiver has marked as not whole. */
  readonly incompleteSamples: number;
  /** Without the marks, which are no code. */
  readonly frames: number;
  /** The sum of unnamedByReason. */
  readonly unnamedFrames: number;
  readonly unnamedByReason: Readonly<Record<UnnamedReason, number>>;
  /** unnamedFrames / frames; 0 before the first. */
  readonly unnamedShare: number;
}

/**
 * Names the locations that have no lines: native code by the symbol table of its file, the
 * kernel by kallsyms. Samples and their order stay as they are.
 */
export class SymbolizeProcessor implements Processor {
  readonly #config: SymbolizeConfig;
  readonly #services: SymbolServices;
  readonly #next: ProfileConsumer;
  /** Batches that are not passed on yet; who sends them waits, which bounds their number. */
  readonly #open = new Set<Promise<void>>();
  /** To the files, which stay open until every processor like this one has named a batch. */
  readonly #user = Symbol("symbolize");
  readonly #logger: Logger;
  #debugFiles: Promise<DebugFiles> | undefined;
  readonly #stored: StoredExecutables;
  #samples = 0;
  #incompleteSamples = 0;
  #frames = 0;
  readonly #unnamedByReason: Record<UnnamedReason, number> = {
    no_symbol: 0,
    no_file: 0,
    other_build: 0,
    kernel_hidden: 0,
    given_up: 0,
  };

  constructor(config: SymbolizeConfig, context: SourceContext) {
    this.#config = config;
    this.#next = context.next;
    this.#logger = context.logger;
    this.#services = context.shared.get(symbolServices);
    this.#stored = new StoredExecutables(this.#services.symbolizer, () => this.#finder());
    addSymbolizeMetrics(context.metrics, this.#unnamedByReason, () => this.counters);
  }

  async start(): Promise<void> {
    // Processes may be gone when their samples arrive: their files stay open until then.
    this.#services.executables.addUser(this.#user);
    this.#keepIndexes();
  }

  async stop(): Promise<void> {
    await Promise.allSettled(this.#open);
    this.#services.executables.removeUser(this.#user);
    this.#stored[Symbol.dispose]();
    await (await this.#debugFiles)?.[Symbol.asyncDispose]();
    this.#debugFiles = undefined;
  }

  /** Passes the batch on with names. Rejects only with what the next component rejects with. */
  consume(batch: ProfileBatch): Promise<void> {
    const passing = this.#pass(batch).finally(() => this.#open.delete(passing));
    this.#open.add(passing);
    return passing;
  }

  async #pass(batch: ProfileBatch): Promise<void> {
    const { dictionary } = batch;
    const frames = new Map<number, readonly SymbolFrame[]>();
    const reasons = new Map<number, UnnamedReason>();
    const byMapping = unnamedByMapping(dictionary);
    await Promise.all(
      Array.from(byMapping, async ([mapping, locations]) => {
        const answer = await this.#symbolize(dictionary, mapping, locations);
        if (isMissing(answer)) {
          for (const location of locations) reasons.set(location, answer.kind ?? "no_file");
          return;
        }
        for (const [index, location] of locations.entries()) {
          const found = answer[index] ?? [];
          if (isMissing(found)) reasons.set(location, found.kind ?? "no_file");
          else frames.set(location, found);
        }
      }),
    );
    this.#services.executables.batchNamed(this.#user);
    this.#setLines(dictionary, new Set([...byMapping.values()].flat()), frames);
    setTiers(dictionary, frames);
    this.#count(batch, reasons);
    await this.#next.consume(batch);
  }

  get counters(): SymbolizeCounters {
    const frames = this.#frames;
    const unnamedByReason = { ...this.#unnamedByReason };
    const unnamedFrames = Object.values(unnamedByReason).reduce((sum, count) => sum + count, 0);
    const unnamedShare = frames === 0 ? 0 : unnamedFrames / frames;
    const [samples, incompleteSamples] = [this.#samples, this.#incompleteSamples];
    return { samples, incompleteSamples, frames, unnamedFrames, unnamedByReason, unnamedShare };
  }

  async #symbolize(
    dictionary: Dictionary,
    mapping: number,
    locations: readonly number[],
  ): Promise<NamedAddresses | Missing> {
    const addresses = new BigUint64Array(locations.length);
    for (let index = 0; index < locations.length; index++) {
      addresses[index] = dictionary.locations.address.bigint(locations[index] as number);
    }
    const path = dictionary.strings.at(dictionary.mappings.filename.at(mapping));
    const attributes = dictionary.mappings.attributeSet.at(mapping);
    const buildId = attributeText(dictionary, attributes, "process.executable.build_id.gnu");
    const htlhash = attributeText(dictionary, attributes, "process.executable.build_id.htlhash");
    if (frameTypeOf(dictionary, locations[0] as number) === "kernel") {
      return this.#symbolizeKernel(path, buildId, addresses);
    }
    const { executables, symbolizer } = this.#services;
    if (path === ANONYMOUS_MAPPING) {
      const pid = Number(attributeText(dictionary, attributes, "process.pid"));
      const program = Number(attributeText(dictionary, attributes, PROGRAM_NUMBER_ATTRIBUTE));
      return this.#symbolizeJit({ pid, program }, addresses);
    }
    const file = executables.find({ path, buildId, htlhash });
    if (isMissing(file)) {
      const named = await this.#symbolizeStored(dictionary, { mapping, buildId, addresses });
      return isMissing(named) && file.kind !== undefined ? file : named;
    }
    return symbolizer.symbolize(file, addresses, this.#config, this.#lineFinder);
  }

  /** Code of another host, or of a process that was gone too soon, by its build id alone. */
  async #symbolizeStored(
    { mappings }: Dictionary,
    { mapping, buildId, addresses }: StoredMapping,
  ): Promise<NamedAddresses | Missing> {
    const placed = await this.#stored.place({
      buildId,
      addresses,
      mapping: {
        start: mappings.memoryStart.bigint(mapping),
        limit: mappings.memoryLimit.bigint(mapping),
        fileOffset: mappings.fileOffset.bigint(mapping),
      },
      space: this.#config.addresses === "auto" ? undefined : this.#config.addresses,
    });
    if (isMissing(placed)) return placed;
    using stored = placed;
    const known = stored.addresses.filter((address) => address !== undefined);
    const { symbolizer } = this.#services;
    const asked = BigUint64Array.from(known);
    const named = await symbolizer.symbolize(stored.file, asked, this.#config, this.#lineFinder);
    let next = 0;
    return stored.addresses.map((address) =>
      address === undefined ? NOT_PLACED : (named[next++] ?? NOT_PLACED),
    );
  }

  get #lineFinder(): (() => Promise<DebugFiles>) | undefined {
    return this.#config.lines ? () => this.#finder() : undefined;
  }

  /** Code that a runtime made is named by the map that it writes. */
  async #symbolizeJit(
    program: ProfiledProgram,
    addresses: BigUint64Array,
  ): Promise<NamedAddresses | Missing> {
    const { jitMaps, symbolizer } = this.#services;
    const map = jitMaps.find(program);
    return isMissing(map) ? map : symbolizer.symbolizeJit(map, addresses, this.#config);
  }

  #keepIndexes(): void {
    const { lines, line_index_size_max: infoBytesMax, debug_files: files } = this.#config;
    const folder = files.cache_dir ?? defaultCacheFolder(process.env, process.geteuid?.() ?? 0);
    if (!lines || folder === undefined) return;
    this.#services.symbolizer.keepIndexes({ folder, infoBytesMax });
  }

  /** Loaded when the first file without debug information is asked about. */
  #finder(): Promise<DebugFiles> {
    this.#debugFiles ??= import("../../symbols/sources/debug-files.ts").then(
      ({ DebugFiles: Files }) => new Files(this.#config.debug_files, { logger: this.#logger }),
    );
    return this.#debugFiles;
  }

  /** Distances from the start of the kernel, or a module, that runs here; not of another one. */
  async #symbolizeKernel(
    mappingName: string,
    buildId: string,
    offsets: BigUint64Array,
  ): Promise<NamedAddresses | Missing> {
    const layout = await this.#services.kernelLayout();
    if (layout.missing !== undefined) return { missing: layout.missing, kind: "kernel_hidden" };
    if (buildId !== layout.buildIdOf(mappingName))
      return { missing: "another kernel", kind: "other_build" };
    const addresses = Array.from(offsets, (offset) => layout.addressOf({ mappingName, offset }));
    if (addresses.includes(undefined)) return { missing: `no module ${mappingName} is loaded` };
    return this.#services.symbolizer.symbolizeKernel(BigUint64Array.from(addresses as bigint[]));
  }

  #setLines(
    dictionary: Dictionary,
    asked: ReadonlySet<number>,
    frames: ReadonlyMap<number, readonly SymbolFrame[]>,
  ): void {
    const { strings, functions, locations } = dictionary;
    locations.replaceLines((location) => {
      if (!asked.has(location)) return undefined;
      const found = frames.get(location) ?? [];
      if (found.length === 0) return this.#unresolvedLines(dictionary, location);
      return found.flatMap((frame) => [
        functions.intern(
          strings.intern(frame.name),
          strings.intern(frame.systemName),
          strings.intern(frame.file ?? ""),
          0,
        ),
        frame.line ?? 0,
        frame.column ?? 0,
      ]);
    });
  }

  #unresolvedLines(dictionary: Dictionary, location: number): number[] | undefined {
    if (!this.#config.name_unresolved) return undefined;
    const { strings, functions } = dictionary;
    const name = unresolvedNameOf(dictionary, location);
    return [functions.intern(strings.intern(name), 0, 0, 0), 0, 0];
  }

  #count(batch: ProfileBatch, reasons: ReadonlyMap<number, UnnamedReason>): void {
    const { locations, stacks } = batch.dictionary;
    const unnamed: (UnnamedReason | undefined)[] = [];
    const isMarker = markerTest(batch.dictionary);
    for (let row = 0; row < locations.length; row++) {
      const isUnnamed = isUnresolved(batch.dictionary, row);
      unnamed.push(isUnnamed ? (reasons.get(row) ?? "no_symbol") : undefined);
    }
    const valueOfStack = new Float64Array(stacks.length);
    for (const { profile } of batch.profiles()) {
      const { samples } = profile;
      for (let sample = 0; sample < samples.length; sample++) {
        const stack = samples.stack.at(sample);
        valueOfStack[stack] = (valueOfStack[stack] ?? 0) + samples.value.at(sample);
      }
    }
    for (let stack = 0; stack < valueOfStack.length; stack++) {
      const value = valueOfStack[stack] as number;
      if (value === 0) continue;
      this.#samples += value;
      const end = stacks.end(stack);
      for (let place = stacks.start(stack); place < end; place++) {
        const location = stacks.item(place);
        if (isMarker(location)) {
          this.#incompleteSamples += value;
          continue;
        }
        this.#frames += value;
        const reason = unnamed[location];
        if (reason !== undefined) this.#unnamedByReason[reason] += value;
      }
    }
  }
}

interface StoredMapping {
  /** Its row. */
  readonly mapping: number;
  readonly buildId: string;
  readonly addresses: BigUint64Array;
}

const NOT_PLACED: Missing = { missing: "the address is in no segment of the file" };

/** Tells the locations that mark a cut stack; each set of attributes is looked at once. */
function markerTest(dictionary: Dictionary): (location: number) => boolean {
  const bySet = new Map<number, boolean>();
  return (location) => {
    const attributeSet = dictionary.locations.attributeSet.at(location);
    const known = bySet.get(attributeSet);
    if (known !== undefined) return known;
    const isMarker = frameTypeOf(dictionary, location) === MARKER_FRAME_TYPE;
    bySet.set(attributeSet, isMarker);
    return isMarker;
  };
}

/** How OpenTelemetry's profiler, and our receiver, type the frame that marks a cut stack. */
const MARKER_FRAME_TYPE = "abort-marker";

/** The locations that have no lines, by mapping; those of the kernel's mapping are all kernel. */
function unnamedByMapping(dictionary: Dictionary): Map<number, number[]> {
  const { locations } = dictionary;
  const byMapping = new Map<number, number[]>();
  for (let row = 1; row < locations.length; row++) {
    if (locations.lineStart(row) !== locations.lineEnd(row)) continue;
    byMapping.getOrInsertComputed(locations.mapping.at(row), () => []).push(row);
  }
  return byMapping;
}

function frameTypeOf(dictionary: Dictionary, location: number): string {
  return attributeText(
    dictionary,
    dictionary.locations.attributeSet.at(location),
    "profile.frame.type",
  );
}

function attributeText(dictionary: Dictionary, attributeSet: number, key: string): string {
  const value = dictionary.findAttribute(attributeSet, key);
  return value === undefined ? "" : valueText(value);
}
