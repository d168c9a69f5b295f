import { limitExceeded } from "../../support/errors.ts";
import type { ProfileLimits } from "../../support/limits.ts";
import { type AttributeValue, type KeyValue, stringValue } from "../attribute-value.ts";
import { Int32Column } from "../columns.ts";
import { Dictionary } from "../dictionary.ts";
import type { ProtoReader } from "../protobuf/reader.ts";
import type { PprofTables } from "./decode-tables.ts";
import { FRAME_TYPE } from "./frame-types.ts";
import { SPAN_ID, TRACE_ID } from "./labels.ts";
import { labelTextKey } from "./notes.ts";
import * as wire from "./wire.ts";

/** What a label is for. */
type Part = "sample" | "resource" | "trace_id" | "span_id" | "frame_types";

/** A string index below this has room for another beside it in one exact number. */
const PAIR_FACTOR = 2 ** 26;

/**
 * Reads the labels of one sample after the other and sorts them into the attributes of the
 * sample, those of its resource, its link and the types of its frames.
 */
export class LabelReader {
  /** The sample's, after `finish`. */
  attributeSet = 0;
  /** The sample's resource, after `finish`; for `resourceAttributes`. */
  resourceSet = 0;
  /** The sample's, after `finish`. */
  link = 0;
  readonly #reader: ProtoReader;
  readonly #tables: PprofTables;
  readonly #dictionary: Dictionary;
  readonly #limits: ProfileLimits;
  /** Attributes of resources: they are no part of the batch's dictionary. */
  readonly #resources = Dictionary.create();
  readonly #sampleAttributes = new Int32Column();
  readonly #resourceAttributes = new Int32Column();
  readonly #rowOfText = new Map<number, number>();
  readonly #rowOfNumber = new Map<string, number>();
  readonly #partOfKey: (Part | undefined)[] = [];
  readonly #resourceKeys: ReadonlySet<string>;
  readonly #ids: Record<"trace_id" | "span_id" | "frame_types", number> = {
    trace_id: 0,
    span_id: 0,
    frame_types: 0,
  };
  #count = 0;

  constructor(reader: ProtoReader, tables: PprofTables, limits: ProfileLimits) {
    this.#reader = reader;
    this.#tables = tables;
    this.#dictionary = tables.dictionary;
    this.#limits = limits;
    this.#resourceKeys = new Set(tables.notes.batch?.resourceKeys);
  }

  /** Begins the next sample. */
  clear(): void {
    this.#sampleAttributes.length = 0;
    this.#resourceAttributes.length = 0;
    this.#ids.trace_id = 0;
    this.#ids.span_id = 0;
    this.#ids.frame_types = 0;
    this.#count = 0;
  }

  /** Reads the label at the reader's place. */
  read(): void {
    const reader = this.#reader;
    const { attributesMax } = this.#limits;
    if (++this.#count > attributesMax) {
      throw limitExceeded("pprof, sample", "labels", this.#count, attributesMax);
    }
    let [key, str, unit] = [0, 0, 0];
    let num = 0n;
    const outer = reader.enter();
    while (reader.offset < reader.end) {
      const tag = reader.tag();
      if (tag === wire.LABEL_KEY) key = this.#tables.stringIndex();
      else if (tag === wire.LABEL_STR) str = this.#tables.stringIndex();
      else if (tag === wire.LABEL_NUM) num = reader.int64BigInt();
      else if (tag === wire.LABEL_NUM_UNIT) unit = this.#tables.stringIndex();
      else reader.skip(tag);
    }
    reader.leave(outer);
    this.#add(key, str, num, unit);
  }

  /**
   * Ends the sample's labels.
   *
   * @returns the text of the label with the frame types, "" when there is none
   */
  finish(): string {
    this.#finishLink();
    this.attributeSet = internSet(this.#dictionary, this.#sampleAttributes);
    this.resourceSet = internSet(this.#resources, this.#resourceAttributes);
    return this.#dictionary.strings.at(this.#ids.frame_types);
  }

  /** Makes the label with the frame types an attribute after all. */
  keepFrameTypes(): void {
    const key = this.#dictionary.strings.intern(FRAME_TYPE);
    this.#sampleAttributes.push(this.#textRow(key, this.#ids.frame_types, 0));
    this.attributeSet = internSet(this.#dictionary, this.#sampleAttributes);
  }

  resourceAttributes(resourceSet: number): KeyValue[] {
    const { attributeSets, attributes, strings } = this.#resources;
    return Array.from(attributeSets.row(resourceSet), (row) => ({
      key: strings.at(attributes.key.at(row)),
      value: attributes.value(row),
    }));
  }

  #add(key: number, str: number, num: bigint, unit: number): void {
    const part = this.#partOf(key);
    if (part === "sample") this.#sampleAttributes.push(this.#row(key, str, num, unit));
    else if (part === "resource") this.#addToResource(key, str, num, unit);
    else if (str !== 0) this.#ids[part] = str;
  }

  #partOf(key: number): Part {
    this.#partOfKey[key] ??= this.#findPart(this.#dictionary.strings.at(key));
    return this.#partOfKey[key];
  }

  #findPart(key: string): Part {
    const { batch } = this.#tables.notes;
    if (this.#resourceKeys.has(key)) return "resource";
    // Files of other programs have links too, under the names that Pyroscope gave them.
    if (batch === undefined || batch.links) {
      if (key === TRACE_ID) return "trace_id";
      if (key === SPAN_ID) return "span_id";
    }
    return batch?.frameTypes && key === FRAME_TYPE ? "frame_types" : "sample";
  }

  #row(key: number, str: number, num: bigint, unit: number): number {
    if (num === 0n && (str !== 0 || unit === 0)) return this.#textRow(key, str, unit);
    const cacheKey = `${key} ${num} ${unit}`;
    const known = this.#rowOfNumber.get(cacheKey);
    if (known !== undefined) return known;
    const { attributes } = this.#dictionary;
    const row = attributes.intern(
      this.#keyOf(key),
      { type: "int", value: num },
      zeroUnit(key, num, unit),
    );
    this.#rowOfNumber.set(cacheKey, row);
    return row;
  }

  #textRow(key: number, str: number, unit: number): number {
    const { attributes } = this.#dictionary;
    const cacheKey = key * PAIR_FACTOR + str;
    const isCached = unit === 0 && key < PAIR_FACTOR && str < PAIR_FACTOR;
    const known = isCached ? this.#rowOfText.get(cacheKey) : undefined;
    if (known !== undefined) return known;
    const row = attributes.intern(this.#keyOf(key), this.#textValue(key, str), unit);
    if (isCached) this.#rowOfText.set(cacheKey, row);
    return row;
  }

  #textValue(key: number, str: number): AttributeValue {
    const { strings } = this.#dictionary;
    const { values } = this.#tables.notes;
    const text = strings.at(str);
    const noted = values.size > 0 ? values.get(labelTextKey(strings.at(key), text)) : undefined;
    return noted ?? stringValue(text);
  }

  /** The key that the label stands for. */
  #keyOf(key: number): number {
    const { strings } = this.#dictionary;
    const renamed = this.#tables.notes.batch?.renamed?.[strings.at(key)];
    return renamed === undefined ? key : strings.intern(renamed);
  }

  #addToResource(key: number, str: number, num: bigint, unit: number): void {
    const { strings } = this.#dictionary;
    const isText = num === 0n && (str !== 0 || unit === 0);
    const value: AttributeValue = isText ? this.#textValue(key, str) : { type: "int", value: num };
    const { attributes, strings: names } = this.#resources;
    const name = names.intern(strings.at(this.#keyOf(key)));
    this.#resourceAttributes.push(attributes.intern(name, value, 0));
  }

  #finishLink(): void {
    this.link = 0;
    const { trace_id: trace, span_id: span } = this.#ids;
    if (trace === 0 && span === 0) return;
    const { strings, links } = this.#dictionary;
    const [traceId, spanId] = [strings.at(trace), strings.at(span)];
    const isTrace = /^[0-9a-f]{32}$/.test(traceId);
    const isSpan = /^[0-9a-f]{16}$/.test(spanId);
    const areOurs = this.#tables.notes.batch?.links === true;
    if (areOurs ? isTrace || isSpan : isTrace && isSpan) {
      this.link = links.intern(isTrace ? traceId : "", isSpan ? spanId : "");
      return;
    }
    if (trace !== 0) this.#sampleAttributes.push(this.#textRow(strings.intern(TRACE_ID), trace, 0));
    if (span !== 0) this.#sampleAttributes.push(this.#textRow(strings.intern(SPAN_ID), span, 0));
  }
}

/** The unit of a number; the key as the unit of a 0 is none (see labels.ts). */
function zeroUnit(key: number, num: bigint, unit: number): number {
  return num === 0n && unit === key ? 0 : unit;
}

/** Interns the rows as a set in which a key stands once: several values are an array. */
function internSet(dictionary: Dictionary, rows: Int32Column): number {
  const { data, length } = rows;
  if (length < 2) return dictionary.attributeSets.intern(data, length);
  const { attributes } = dictionary;
  const keys = new Set<number>();
  for (let at = 0; at < length; at++) keys.add(attributes.key.at(data[at] as number));
  if (keys.size === length) return dictionary.attributeSets.intern(data, length);
  const byKey = Map.groupBy(data.subarray(0, length), (row) => attributes.key.at(row));
  const merged = [...byKey].map(([key, group]) => {
    const [first] = group;
    if (group.length === 1) return first as number;
    const value = group.map((row) => attributes.value(row));
    return attributes.intern(key, { type: "array", value }, attributes.unit.at(first as number));
  });
  return dictionary.attributeSets.intern(merged);
}
