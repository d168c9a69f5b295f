import { isFileBacked } from "../../linux/process-mapping.ts";
import { intValue } from "../../profiles/attribute-value.ts";
import type { Dictionary, MappingRow } from "../../profiles/dictionary.ts";
import type { ListTable } from "../../profiles/list-table.ts";
import { ANONYMOUS_MAPPING } from "../../profiles/unresolved-name.ts";
import { fileAddress } from "../../symbols/elf/file-address.ts";
import type { ExecutableRegistry } from "../../symbols/executables.ts";
import { type JitMaps, PROGRAM_NUMBER_ATTRIBUTE } from "../../symbols/jit/jit-maps.ts";
import type { KernelLayout } from "../../symbols/kernel/layout.ts";
import type { ProcessImage, ProcessMapping, ProgramIdentity } from "./process-image.ts";
import { type StackResult, stackResultFrame } from "./sample-record.ts";

/**
 * Turns the raw addresses of a window into locations of one dictionary.
 *
 * Addresses leave the receiver as OpenTelemetry's profiler sends them: those of native code as
 * virtual addresses of their file, equal in all processes; those of the kernel as distances
 * from the start of the kernel or its module, so that its place in memory stays secret. A
 * caller's address is the one before the return address, which lies inside the call.
 */
export class StackLocations {
  readonly #dictionary: Dictionary;
  readonly #executables: ExecutableRegistry;
  readonly #kernel: KernelLayout;
  /** Attribute sets, made at first use: a table holds nothing that nothing refers to. */
  readonly #frameTypes = new Map<FrameType, number>();
  /** By address; negative where no mapping is. */
  readonly #userByImage = new Map<ProcessImage, Map<number, number>>();
  readonly #kernelByPlace = new Map<number, number>();
  readonly #mappings = new Map<ProcessMapping, UserMapping>();
  readonly #jitMaps: JitMaps;
  readonly #anonymous = new Map<ProgramIdentity, Map<ProcessMapping, number>>();

  constructor(
    dictionary: Dictionary,
    sources: { executables: ExecutableRegistry; jitMaps: JitMaps; kernel: KernelLayout },
  ) {
    this.#dictionary = dictionary;
    this.#executables = sources.executables;
    this.#jitMaps = sources.jitMaps;
    this.#kernel = sources.kernel;
  }

  /** Appends the locations of a row of raw kernel frames, leaf first. */
  addKernel(locations: number[], stacks: ListTable, stack: number): void {
    const end = stacks.end(stack);
    for (let place = stacks.start(stack); place + 1 < end; place += 2) {
      const low = stacks.item(place) >>> 0;
      const high = stacks.item(place + 1) >>> 0;
      const isLeaf = locations.length === 0;
      locations.push(this.#kernelLocation(low, high, isLeaf ? 0 : 1));
    }
  }

  /**
   * Appends the locations of a row of raw user frames, leaf first. The first is exact: it was
   * interrupted there, or entered the kernel there.
   *
   * Code without frame pointers keeps other things where a return address is looked for. One
   * that lies in no code of a process whose code is known is such a thing, and what would come
   * after it is too.
   *
   * @returns false when it stopped at one
   */
  addUser(
    locations: number[],
    stacks: ListTable,
    row: { image: ProcessImage; stack: number },
  ): boolean {
    const known = this.#userByImage.getOrInsertComputed(row.image, () => new Map());
    const start = stacks.start(row.stack);
    const end = stacks.end(row.stack);
    let isCodeKnown = false;
    for (let place = start; place + 1 < end; place += 2) {
      // User addresses are below 2^53 on every supported machine, so a number holds them.
      const raw = (stacks.item(place + 1) >>> 0) * 2 ** 32 + (stacks.item(place) >>> 0);
      const address = place === start || raw === 0 ? raw : raw - 1;
      const knownLocation = known.get(address);
      const mapping = knownLocation === undefined ? mappingAt(row.image, address) : undefined;
      const isInCode = knownLocation === undefined ? mapping !== undefined : knownLocation > 0;
      if (place === start) isCodeKnown = isInCode;
      else if (isCodeKnown && !isInCode) return false;
      const location = knownLocation ?? this.#userLocation(row.image, mapping, address);
      if (knownLocation === undefined) known.set(address, isInCode ? location : -location);
      locations.push(Math.abs(location));
    }
    return true;
  }

  /** Appends the frame that marks a stack which is not whole; nothing for a whole one. */
  addResult(locations: number[], result: StackResult): void {
    const name = stackResultFrame(result);
    if (name === undefined) return;
    const { functions, locations: table, strings } = this.#dictionary;
    const line = [functions.intern(strings.intern(name), 0, 0, 0), 0, 0];
    locations.push(table.intern(0, 0, 0, line, this.#frameType("abort-marker")));
  }

  /** @param back  how far before the address the place is */
  #kernelLocation(low: number, high: number, back: number): number {
    // Kernels lie in the last 2^53 bytes, so the lower 53 bits tell the place and fit a number.
    const isLast = high >>> 21 === 0x7ff;
    const place = (high & 0x1f_ffff) * 2 ** 32 + low - back;
    const known = isLast ? this.#kernelByPlace.get(place) : undefined;
    if (known !== undefined) return known;
    const { mappingName, offset } = this.#kernel.locate(joined(low, high) - BigInt(back));
    const buildId = this.#kernel.buildIdOf(mappingName);
    const mapping = this.#internMapping({ path: mappingName, buildId, start: 0n, limit: 0n });
    const location = this.#intern(mapping, offset, this.#frameType("kernel"));
    if (isLast) this.#kernelByPlace.set(place, location);
    return location;
  }

  #userLocation(image: ProcessImage, mapping: ProcessMapping | undefined, address: number): number {
    if (mapping === undefined) return this.#intern(0, BigInt(address), this.#frameType("native"));
    if (mapping.path === "") {
      const index = this.#anonymousMapping(image, mapping);
      return this.#intern(index, BigInt(address), this.#frameType("native"));
    }
    const { index, bias } = this.#mappings.getOrInsertComputed(mapping, () =>
      this.#userMapping(mapping),
    );
    return this.#intern(index, BigInt(address) - bias, this.#frameType("native"));
  }

  /**
   * Memory without a file, whose code only the map of its own program names: its pid and number
   * keep it apart from the same addresses of others.
   */
  #anonymousMapping({ pid, program }: ProcessImage, mapping: ProcessMapping): number {
    const known = this.#anonymous.getOrInsertComputed(program, () => new Map());
    return known.getOrInsertComputed(mapping, () => {
      const { attributes, attributeSets, mappings, strings } = this.#dictionary;
      const number = (key: string, value: number): number =>
        attributes.intern(strings.intern(key), intValue(value), 0);
      return mappings.intern({
        memoryStart: mapping.start,
        memoryLimit: mapping.end,
        fileOffset: 0n,
        filename: strings.intern(ANONYMOUS_MAPPING),
        attributeSet: attributeSets.intern([
          number("process.pid", pid),
          number(PROGRAM_NUMBER_ATTRIBUTE, this.#jitMaps.numberOf(program)),
        ]),
      });
    });
  }

  /** The mapping as its file sees it: `bias` is what memory addresses are above file addresses. */
  #userMapping(mapping: ProcessMapping): UserMapping {
    const info = this.#executables.infoOf(mapping);
    const start =
      "missing" in info ? undefined : fileAddress(info.segments, mapping, mapping.start);
    const size = mapping.end - mapping.start;
    const fileStart = start ?? unresolvedStart(mapping);
    const index = this.#internMapping({
      path: mapping.path,
      buildId: "missing" in info ? mapping.buildId : info.buildId,
      ...(!("missing" in info) && { htlhash: info.htlhash, goBuildId: info.goBuildId }),
      start: fileStart,
      limit: fileStart + size,
      fileOffset: mapping.fileOffset,
    });
    return { index, bias: mapping.start - fileStart };
  }

  #intern(mapping: number, address: bigint, attributeSet: number): number {
    const low = Number(address & 0xffffffffn);
    const high = Number((address >> 32n) & 0xffffffffn);
    return this.#dictionary.locations.intern(mapping, low, high, [], attributeSet);
  }

  #frameType(type: FrameType): number {
    const known = this.#frameTypes.get(type);
    if (known !== undefined) return known;
    const attribute = this.#dictionary.internStringAttribute("profile.frame.type", type);
    const attributeSet = this.#dictionary.attributeSets.intern([attribute]);
    this.#frameTypes.set(type, attributeSet);
    return attributeSet;
  }

  #internMapping(mapping: FileMapping): number {
    const dictionary = this.#dictionary;
    const attributes: number[] = [];
    const add = (key: string, value: string | undefined): void => {
      if (value) attributes.push(dictionary.internStringAttribute(key, value));
    };
    add("process.executable.build_id.gnu", mapping.buildId);
    add("process.executable.build_id.go", mapping.goBuildId);
    add("process.executable.build_id.htlhash", mapping.htlhash);
    const row: MappingRow = {
      memoryStart: mapping.start,
      memoryLimit: mapping.limit,
      fileOffset: mapping.fileOffset ?? 0n,
      filename: dictionary.strings.intern(mapping.path),
      attributeSet: dictionary.attributeSets.intern(attributes),
    };
    return dictionary.mappings.intern(row);
  }
}

type FrameType = "native" | "kernel" | "abort-marker";

function mappingAt(image: ProcessImage, address: number): ProcessMapping | undefined {
  return image.findMapping(address >>> 0, Math.floor(address / 2 ** 32));
}

interface UserMapping {
  readonly index: number;
  readonly bias: bigint;
}

interface FileMapping {
  readonly path: string;
  readonly buildId: string;
  readonly htlhash?: string;
  readonly goBuildId?: string;
  readonly start: bigint;
  readonly limit: bigint;
  readonly fileOffset?: bigint;
}

/**
 * Where a mapping starts in its file when the file could not be read: at its offset, which is
 * also the virtual address in most files. Code without a file keeps its place in memory,
 * because that is what a perf map names it by.
 */
function unresolvedStart(mapping: ProcessMapping): bigint {
  return isFileBacked(mapping) ? mapping.fileOffset : mapping.start;
}

function joined(low: number, high: number): bigint {
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}
