import { limitExceeded } from "../../support/errors.ts";
import type { ProfileLimits } from "../../support/limits.ts";
import { type AttributeValue, type KeyValue, stringValue } from "../attribute-value.ts";
import { Int32Column } from "../columns.ts";
import { Dictionary } from "../dictionary.ts";
import type { ProtoReader } from "../protobuf/reader.ts";
import type { PprofTables } from "./decode-tables.ts";
import { FRAME_TYPE } from "./frame-types.ts";
import { BytesIndex, SetInterner } from "./label-caches.ts";
import { SPAN_ID, TRACE_ID } from "./labels.ts";
import { labelTextKey } from "./notes.ts";
import * as wire from "./wire.ts";

/** What a label is for. */
type Part = "sample" | "resource" | "trace_id" | "span_id" | "frame_types";

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
  readonly #known: BytesIndex;
  /** Of the known labels. */
  readonly #parts: Part[] = [];
  /** Of the known labels: an attribute's row, or a string index. */
  readonly #contents = new Int32Column();
  readonly #sampleSets: SetInterner;
  readonly #resourceSets: SetInterner;
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
    this.#known = new BytesIndex(reader.bytes);
    this.#sampleSets = new SetInterner(this.#dictionary);
    this.#resourceSets = new SetInterner(this.#resources);
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
    const outer = reader.enter();
    const known = this.#known.find(reader.offset, reader.end);
    if (known >= 0) this.#addKnown(known);
    else this.#readNew();
    reader.leave(outer);
  }

  #readNew(): void {
    const reader = this.#reader;
    const start = reader.offset;
    let [key, str, unit] = [0, 0, 0];
    let num = 0n;
    while (reader.offset < reader.end) {
      const tag = reader.tag();
      if (tag === wire.LABEL_KEY) key = this.#tables.stringIndex();
      else if (tag === wire.LABEL_STR) str = this.#tables.stringIndex();
      else if (tag === wire.LABEL_NUM) num = reader.int64BigInt();
      else if (tag === wire.LABEL_NUM_UNIT) unit = this.#tables.stringIndex();
      else reader.skip(tag);
    }
    const part = this.#partOf(key);
    const content =
      part === "sample"
        ? this.#row(key, str, num, unit)
        : part === "resource"
          ? this.#resourceRow(key, str, num, unit)
          : str;
    this.#parts.push(part);
    this.#contents.push(content);
    this.#known.add(start, reader.end);
    this.#addKnown(this.#contents.length - 1);
  }

  /**
   * Ends the sample's labels.
   *
   * @returns the text of the label with the frame types, "" when there is none
   */
  finish(): string {
    this.#finishLink();
    this.attributeSet = this.#sampleSets.intern(this.#sampleAttributes);
    this.resourceSet = this.#resourceSets.intern(this.#resourceAttributes);
    return this.#dictionary.strings.at(this.#ids.frame_types);
  }

  /** Makes the label with the frame types an attribute after all. */
  keepFrameTypes(): void {
    const key = this.#dictionary.strings.intern(FRAME_TYPE);
    this.#sampleAttributes.push(this.#textRow(key, this.#ids.frame_types, 0));
    this.attributeSet = this.#sampleSets.intern(this.#sampleAttributes);
  }

  resourceAttributes(resourceSet: number): KeyValue[] {
    const { attributeSets, attributes, strings } = this.#resources;
    return Array.from(attributeSets.row(resourceSet), (row) => ({
      key: strings.at(attributes.key.at(row)),
      value: attributes.value(row),
    }));
  }

  #addKnown(label: number): void {
    const part = this.#parts[label] as Part;
    const content = this.#contents.at(label);
    if (part === "sample") this.#sampleAttributes.push(content);
    else if (part === "resource") this.#resourceAttributes.push(content);
    else if (content !== 0) this.#ids[part] = content;
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
    // A 0 whose unit is its key has none: see labels.ts.
    const unitOrNone = num === 0n && unit === key ? 0 : unit;
    const { attributes } = this.#dictionary;
    return attributes.intern(this.#keyOf(key), { type: "int", value: num }, unitOrNone);
  }

  #textRow(key: number, str: number, unit: number): number {
    const { attributes } = this.#dictionary;
    return attributes.intern(this.#keyOf(key), this.#textValue(key, str), unit);
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

  #resourceRow(key: number, str: number, num: bigint, unit: number): number {
    const { strings } = this.#dictionary;
    const isText = num === 0n && (str !== 0 || unit === 0);
    const value: AttributeValue = isText ? this.#textValue(key, str) : { type: "int", value: num };
    const { attributes, strings: names } = this.#resources;
    const name = names.intern(strings.at(this.#keyOf(key)));
    return attributes.intern(name, value, 0);
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
