import { limitExceeded } from "../../support/errors.ts";
import type { ProfileLimits } from "../../support/limits.ts";
import { Int32Column } from "../columns.ts";
import { Dictionary } from "../dictionary.ts";
import { ProtoReader, WIRE_VARINT } from "../protobuf/reader.ts";

/**
 * Resources, scopes and profiles of one message together. Each costs about 600 bytes here and
 * as little as two on the wire; a host with a resource for each process sends a few thousand.
 */
export const OWNERS_MAX = 100_000;

/** What is read, in error messages. */
export const INPUT_NAME = "OTLP profiles";

/** A message that is being decoded: where the reader stands, the limits, what is known so far. */
export class OtlpInput {
  readonly reader: ProtoReader;
  readonly limits: ProfileLimits;
  readonly dictionary: Dictionary = new Dictionary();
  /** Rows of the attribute table, known before its values are read. */
  attributeCount = 0;
  sampleCount = 0;
  /** A sample was seen that only the present layout can have (see old-layouts.ts). */
  hasPresentSample = false;
  readonly #indices: Int32Column = new Int32Column();
  #ownerCount = 0;

  constructor(bytes: Uint8Array, limits: ProfileLimits) {
    this.reader = new ProtoReader(bytes, INPUT_NAME);
    this.limits = limits;
    this.atMost("bytes", bytes.length, limits.inflatedBytesMax);
  }

  /** Refuses more of something than its limit. */
  atMost(what: string, actual: number, limit: number): void {
    if (actual > limit) {
      throw limitExceeded(`${INPUT_NAME} at offset ${this.reader.offset}`, what, actual, limit);
    }
  }

  countOwner(): void {
    this.atMost("resources, scopes and profiles", ++this.#ownerCount, OWNERS_MAX);
  }

  /** A string within the limit. */
  string(what: string): string {
    this.atMost(`bytes of ${what}`, this.reader.peekLength(), this.limits.stringBytesMax);
    return this.reader.string();
  }

  /** An index that must be a row of a table of `rowCount` rows. */
  index(what: string, rowCount: number): number {
    const index = this.reader.int32();
    if (index >>> 0 >= rowCount) throw this.outOfRange(what, index, rowCount);
    return index;
  }

  stringIndex(what: string): number {
    return this.index(what, this.dictionary.strings.length);
  }

  outOfRange(what: string, index: number, rowCount: number): Error {
    return this.reader.error(`${what} ${index} is not one of ${rowCount} table rows`);
  }

  /** Begins the list of an owner's attribute indices. */
  beginAttributes(): void {
    this.#indices.length = 0;
  }

  /** How many items the list has so far. */
  get listedAttributes(): number {
    return this.#indices.length;
  }

  /** Reads attribute indices, packed or one. */
  attributeIndices(tag: number, indices: Int32Column = this.#indices): void {
    if ((tag & 7) === WIRE_VARINT) indices.push(this.reader.int32());
    else this.reader.packedInt32(indices);
  }

  /** Ends the list and interns it. */
  endAttributes(what: string, indices: Int32Column = this.#indices): number {
    const { data, length } = indices;
    if (length === 0) return 0;
    this.atMost(what, length, this.limits.attributesMax);
    for (let i = 0; i < length; i++) {
      const index = data[i] as number;
      if (index >>> 0 >= this.attributeCount) {
        throw this.outOfRange(what, index, this.attributeCount);
      }
    }
    return this.dictionary.attributeSets.intern(data, length);
  }

  /**
   * Skips a field that the message does not have. A field that it has, with another wire
   * type, is refused: so look the layouts before 1.10, and a guess would be a wrong profile.
   *
   * @param fieldCount  the message's fields, which are numbered from 1 without a gap
   */
  skipUnknown(tag: number, message: string, fieldCount: number): void {
    const fieldNumber = tag >>> 3;
    if (fieldNumber >= 1 && fieldNumber <= fieldCount) {
      throw this.reader.error(`field ${fieldNumber} of ${message} has wire type ${tag & 7}`);
    }
    this.reader.skip(tag);
  }
}
