import { Int32Column } from "../columns.ts";
import type { Dictionary } from "../dictionary.ts";
import type { ProfileBatch } from "../profile.ts";
import type { ProtoWriter } from "../protobuf/writer.ts";
import { baseName, frameTypeOf, processName } from "../text/frames.ts";
import { isUnresolved } from "../unresolved-name.ts";
import {
  attributesKey,
  attributesOfSet,
  type MappingFields,
  mappingAttributes,
  mappingFields,
} from "./attributes.ts";
import { FRAME_TYPE, frameTypeOfMapping, isKernelMapping } from "./frame-types.ts";
import { type Attribute, locationNote, mappingNote, NOTE_LOCATIONS_MAX } from "./notes.ts";
import type { SampleTable } from "./sample-table.ts";
import type { StringIndex } from "./string-index.ts";
import type { ColumnPlan } from "./value-columns.ts";
import * as wire from "./wire.ts";

export const FOLDED_KEY = "pprof.location.is_folded";

const KERNEL_MAPPING = "[kernel.kallsyms]";

/** What is known of a mapping from the locations in it. */
interface MappingUse {
  hasLocations: boolean;
  hasKernelFrames: boolean;
  allHaveFunctions: boolean;
  allHaveFilenames: boolean;
  allHaveLineNumbers: boolean;
}

/**
 * Writes the mappings, locations and functions of a batch: all mappings, because pprof shows
 * those without samples too, and of the rest what the samples use. Ids count from 1.
 */
export class TableWriter {
  /** Notes on what the fields do not hold; complete after `write`. */
  readonly notes: string[] = [];
  readonly #dictionary: Dictionary;
  readonly #strings: StringIndex;
  /** The used locations, functions and all mappings, in order of their ids. */
  readonly #locations = new Int32Column();
  readonly #functions = new Int32Column();
  readonly #mappings: readonly number[];
  readonly #locationIds = new Int32Column();
  readonly #functionIds = new Int32Column();
  readonly #mappingIds = new Map<number, number>();
  readonly #uses: MappingUse[] = [];
  /** Another program's file says itself what its mappings have. */
  readonly #derivesFlags: boolean;

  constructor(batch: ProfileBatch, plan: ColumnPlan, samples: SampleTable, strings: StringIndex) {
    this.#derivesFlags = !plan.isFromPprof;
    this.#dictionary = batch.dictionary;
    this.#strings = strings;
    this.#findUsed(samples);
    this.#mappings = this.#mappingOrder(batch);
    for (const [index, mapping] of this.#mappings.entries()) {
      this.#mappingIds.set(mapping, index + 1);
    }
  }

  locationId(location: number): number {
    return this.#locationIds.at(location);
  }

  /** The frame type that a reader of the file concludes from the location's mapping. */
  derivedFrameType(location: number): string {
    const mapping = this.#dictionary.locations.mapping.at(location);
    return frameTypeOfMapping(this.#mappingIds.has(mapping), this.#filenameOf(mapping));
  }

  write(writer: ProtoWriter): void {
    for (const mapping of this.#mappings) this.#writeMapping(writer, mapping);
    for (let at = 0; at < this.#locations.length; at++) {
      this.#writeLocation(writer, this.#locations.at(at));
    }
    for (let at = 0; at < this.#functions.length; at++) {
      this.#writeFunction(writer, this.#functions.at(at), at + 1);
    }
    this.#noteLocationAttributes();
  }

  #findUsed(samples: SampleTable): void {
    const { stacks } = this.#dictionary;
    for (const stack of new Set(samples.stack.data.subarray(0, samples.length))) {
      for (let place = stacks.start(stack); place < stacks.end(stack); place++) {
        this.#useLocation(stacks.item(place));
      }
    }
  }

  #useLocation(location: number): void {
    if (!claimId(this.#locationIds, location, this.#locations)) return;
    const { locations } = this.#dictionary;
    const use = this.#useOf(locations.mapping.at(location));
    use.hasLocations = true;
    if (frameTypeOf(this.#dictionary, location) === "kernel") use.hasKernelFrames = true;
    const start = locations.lineStart(location);
    const end = locations.lineEnd(location);
    if (isUnresolved(this.#dictionary, location)) use.allHaveFunctions = false;
    for (let line = start; line < end; line++) this.#useLine(line, use);
  }

  #useLine(line: number, use: MappingUse): void {
    const { locations, functions } = this.#dictionary;
    const fn = locations.lineFunction.at(line);
    claimId(this.#functionIds, fn, this.#functions);
    if (functions.name.at(fn) === 0) use.allHaveFunctions = false;
    if (functions.filename.at(fn) === 0) use.allHaveFilenames = false;
    if (locations.lineNumber.at(line) === 0) use.allHaveLineNumbers = false;
  }

  #useOf(mapping: number): MappingUse {
    this.#uses[mapping] ??= {
      hasLocations: false,
      hasKernelFrames: false,
      allHaveFunctions: true,
      allHaveFilenames: true,
      allHaveLineNumbers: true,
    };
    return this.#uses[mapping];
  }

  /** Readers take the first mapping for the main program. */
  #mappingOrder(batch: ProfileBatch): number[] {
    const { mappings, strings } = this.#dictionary;
    const order = Array.from({ length: Math.max(0, mappings.length - 1) }, (_, row) => row + 1);
    const name = batch.resourceProfiles[0] ? processName(batch.resourceProfiles[0].resource) : "";
    const nameOf = (mapping: number): string => strings.at(mappings.filename.at(mapping));
    const isMain = (mapping: number): boolean =>
      name !== "" && baseName(nameOf(mapping)) === baseName(name);
    let main = order.findIndex(isMain);
    if (main < 0) main = order.findIndex((mapping) => !this.#isKernel(mapping));
    if (main > 0) order.unshift(...order.splice(main, 1));
    return order;
  }

  #isKernel(mapping: number): boolean {
    return isKernelMapping(this.#filenameOf(mapping));
  }

  /** The kernel's mapping is known by its name. */
  #filenameOf(mapping: number): string {
    const { mappings, strings } = this.#dictionary;
    const name = strings.at(mappings.filename.at(mapping));
    if (!this.#uses[mapping]?.hasKernelFrames || isKernelMapping(name)) return name;
    return KERNEL_MAPPING + name;
  }

  #writeMapping(writer: ProtoWriter, mapping: number): void {
    const { mappings, strings } = this.#dictionary;
    const id = this.#mappingIds.get(mapping) ?? 0;
    const attributes = attributesOfSet(this.#dictionary, mappings.attributeSet.at(mapping));
    const fields = mappingFields(attributes, this.#derivedFlags(mapping));
    const filename = this.#filenameOf(mapping);
    writer.tag(wire.PROFILE_MAPPING);
    const message = writer.begin();
    writer.uint32Field(wire.MAPPING_ID, id);
    const { memoryStart, memoryLimit, fileOffset } = mappings;
    writer.uint64Field(
      wire.MAPPING_MEMORY_START,
      memoryStart.low(mapping),
      memoryStart.high(mapping),
    );
    writer.uint64Field(
      wire.MAPPING_MEMORY_LIMIT,
      memoryLimit.low(mapping),
      memoryLimit.high(mapping),
    );
    writer.uint64Field(wire.MAPPING_FILE_OFFSET, fileOffset.low(mapping), fileOffset.high(mapping));
    writer.uint32Field(wire.MAPPING_FILENAME, this.#strings.ofText(filename));
    writer.uint32Field(wire.MAPPING_BUILD_ID, this.#strings.ofText(fields.buildId));
    writer.boolField(wire.MAPPING_HAS_FUNCTIONS, fields.hasFunctions);
    writer.boolField(wire.MAPPING_HAS_FILENAMES, fields.hasFilenames);
    writer.boolField(wire.MAPPING_HAS_LINE_NUMBERS, fields.hasLineNumbers);
    writer.boolField(wire.MAPPING_HAS_INLINE_FRAMES, fields.hasInlineFrames);
    writer.end(message);
    const original = strings.at(mappings.filename.at(mapping));
    const isRenamed = original !== filename;
    if (isRenamed || attributesKey(attributes) !== attributesKey(mappingAttributes(fields))) {
      this.notes.push(mappingNote(id, isRenamed ? original : undefined, attributes));
    }
  }

  /** Only what holds for every location: a reader does not look further where a flag is set. */
  #derivedFlags(mapping: number): Omit<MappingFields, "buildId"> {
    const use = this.#uses[mapping];
    const hasFunctions = this.#derivesFlags && use?.hasLocations === true && use.allHaveFunctions;
    return {
      hasFunctions,
      hasFilenames: hasFunctions && use.allHaveFilenames,
      hasLineNumbers: hasFunctions && use.allHaveLineNumbers,
      hasInlineFrames: false,
    };
  }

  #writeLocation(writer: ProtoWriter, location: number): void {
    const { locations } = this.#dictionary;
    writer.tag(wire.PROFILE_LOCATION);
    const message = writer.begin();
    writer.uint32Field(wire.LOCATION_ID, this.locationId(location));
    const mappingId = this.#mappingIds.get(locations.mapping.at(location)) ?? 0;
    writer.uint32Field(wire.LOCATION_MAPPING_ID, mappingId);
    const { address } = locations;
    writer.uint64Field(wire.LOCATION_ADDRESS, address.low(location), address.high(location));
    const end = locations.lineEnd(location);
    for (let at = locations.lineStart(location); at < end; at++) {
      writer.tag(wire.LOCATION_LINE);
      const line = writer.begin();
      const functionId = this.#functionIds.at(locations.lineFunction.at(at));
      writer.uint32Field(wire.LINE_FUNCTION_ID, functionId);
      writer.int64Field(wire.LINE_LINE, locations.lineNumber.at(at));
      writer.int64Field(wire.LINE_COLUMN, locations.lineColumn.at(at));
      writer.end(line);
    }
    const attributeSet = locations.attributeSet.at(location);
    const folded = this.#dictionary.findAttribute(attributeSet, FOLDED_KEY);
    writer.boolField(wire.LOCATION_IS_FOLDED, folded?.type === "bool" && folded.value);
    writer.end(message);
  }

  #writeFunction(writer: ProtoWriter, fn: number, id: number): void {
    const { functions } = this.#dictionary;
    writer.tag(wire.PROFILE_FUNCTION);
    const message = writer.begin();
    writer.uint32Field(wire.FUNCTION_ID, id);
    writer.uint32Field(wire.FUNCTION_NAME, this.#strings.of(functions.name.at(fn)));
    writer.uint32Field(wire.FUNCTION_SYSTEM_NAME, this.#strings.of(functions.systemName.at(fn)));
    writer.uint32Field(wire.FUNCTION_FILENAME, this.#strings.of(functions.filename.at(fn)));
    writer.int64Field(wire.FUNCTION_START_LINE, functions.startLine.at(fn));
    writer.end(message);
  }

  /** Attributes that neither a field nor the frame types hold. */
  #noteLocationAttributes(): void {
    const idsOfSet = new Map<number, number[]>();
    for (let at = 0; at < this.#locations.length; at++) {
      const attributeSet = this.#dictionary.locations.attributeSet.at(this.#locations.at(at));
      if (attributeSet !== 0) idsOfSet.getOrInsertComputed(attributeSet, () => []).push(at + 1);
    }
    for (const [attributeSet, ids] of idsOfSet) {
      const rest = attributesOfSet(this.#dictionary, attributeSet).filter(isWithoutField);
      if (rest.length === 0) continue;
      for (let at = 0; at < ids.length; at += NOTE_LOCATIONS_MAX) {
        this.notes.push(locationNote(ids.slice(at, at + NOTE_LOCATIONS_MAX), rest));
      }
    }
  }
}

function isWithoutField({ key, value, unit }: Attribute): boolean {
  if (unit !== "") return true;
  if (key === FRAME_TYPE) return value.type !== "string" || value.value === "";
  return key !== FOLDED_KEY || value.type !== "bool" || !value.value;
}

/** Gives a row the next id, counted from 1, unless it has one; true when it was given. */
function claimId(ids: Int32Column, row: number, order: Int32Column): boolean {
  while (ids.length <= row) ids.push(0);
  if (ids.data[row] !== 0) return false;
  order.push(row);
  ids.data[row] = order.length;
  return true;
}
