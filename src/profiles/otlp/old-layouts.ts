import { Int32Column } from "../columns.ts";
import { ProtoReader, tagOf, WIRE_BYTES, WIRE_FIXED64, WIRE_VARINT } from "../protobuf/reader.ts";

/**
 * Tells which older layout a message has. Before 1.10 the fields changed five times under the
 * same package name, so a message says nothing about its version but by its wire types:
 *
 *   1.5  tables inside of Profile (3 to 10)
 *   1.6  tables in ProfilesData (2 to 8)
 *   1.7  ProfilesDictionary; attribute_table of KeyValue; location_indices in Profile (3)
 *   1.8  Sample{stack, values, attribute_indices, link, timestamps}; comments in Profile (7)
 *   1.9  as 1.8 without comments
 *   1.10 Sample{stack, attribute_indices, link, values, timestamps}
 *
 * Source: the .proto files of those releases. This pass is slow and runs only for a message that
 * was refused, or one whose samples do not tell.
 */

/** The version's name when the message has one of the older layouts. */
export function oldLayoutOf(bytes: Uint8Array): string | undefined {
  const seen = new Inventory();
  try {
    takeInventory(new ProtoReader(bytes, "OTLP profiles"), seen);
  } catch {
    // Broken bytes: what was seen before the break has to do.
  }
  return seen.hasPresentSample ? undefined : judge(seen);
}

/** The same for a message that could be read, which only its samples can betray. */
export function oldSampleLayoutOf(bytes: Uint8Array): string | undefined {
  const seen = new Inventory();
  takeInventory(new ProtoReader(bytes, "OTLP profiles"), seen);
  return seen.hasPresentSample || !seen.hasOldSamples() ? undefined : seen.versionOfOldSamples();
}

function judge(seen: Inventory): string | undefined {
  if (seen.has("Profile", 4, WIRE_BYTES)) return "1.5";
  if (seen.has("ProfilesData", 3, WIRE_BYTES) && seen.has("ProfilesData", 6, WIRE_BYTES)) {
    return "1.6";
  }
  const is17 =
    seen.has("Profile", 3, WIRE_BYTES) ||
    seen.has("Profile", 6, WIRE_BYTES) ||
    seen.has("Profile", 5, WIRE_VARINT) ||
    seen.has("Attribute", 1, WIRE_BYTES);
  if (is17) return "1.7";
  if (seen.has18() || seen.hasOldSamples()) return seen.versionOfOldSamples();
  return undefined;
}

/** Samples that are looked at: enough to tell, and little for a message of ten million. */
const SAMPLES_JUDGED_MAX = 10_000;

/** Tags up to field 31; no message of ours ever had more fields. */
const TAGS = 256;

/** What stands where in a message. */
class Inventory {
  readonly #fields = new Map<string, Uint8Array>();
  /** The packed items of field 2 of the sample that is being looked at. */
  readonly secondField: Int32Column = new Int32Column();
  samplesJudged = 0;
  attributeRows = 0;
  /** A sample that only 1.10 and later can have. */
  hasPresentSample = false;
  /** A sample that only 1.8 and 1.9 can have. */
  hasOldSample = false;
  /** Every sample has as many items in field 2 as in field 5: values and timestamps of old. */
  pairsThroughout = true;
  /** A list in field 2 that cannot be attribute indices. */
  hasOddAttributes = false;

  add(message: string, tag: number): void {
    if (tag >= TAGS) return;
    const tags = this.#fields.getOrInsertComputed(message, () => new Uint8Array(TAGS));
    tags[tag] = 1;
  }

  has(message: string, fieldNumber: number, wireType: number): boolean {
    return this.#fields.get(message)?.[tagOf(fieldNumber, wireType)] === 1;
  }

  has18(): boolean {
    return (
      this.has("Profile", 8, WIRE_BYTES) ||
      this.has("Profile", 9, WIRE_VARINT) ||
      this.has("Profile", 12, WIRE_BYTES) ||
      this.has("ValueType", 3, WIRE_VARINT)
    );
  }

  hasOldSamples(): boolean {
    return this.hasOldSample || (this.pairsThroughout && this.hasOddAttributes);
  }

  versionOfOldSamples(): string {
    return this.has18() ? "1.8" : "1.9 (or 1.8)";
  }
}

type Visit = (reader: ProtoReader, tag: number) => boolean;

/** Walks a message's fields; those that `visit` does not read are skipped. */
function walk(reader: ProtoReader, message: string, seen: Inventory, visit: Visit): void {
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    seen.add(message, tag);
    if (!visit(reader, tag)) reader.skip(tag);
  }
}

function walkInto(reader: ProtoReader, message: string, seen: Inventory, visit: Visit): true {
  const outer = reader.enter();
  walk(reader, message, seen, visit);
  reader.leave(outer);
  return true;
}

const FIELD_1: number = tagOf(1, WIRE_BYTES);
const FIELD_2: number = tagOf(2, WIRE_BYTES);
const ATTRIBUTE_TABLE: number = tagOf(6, WIRE_BYTES);
const nothing: Visit = () => false;

function takeInventory(reader: ProtoReader, seen: Inventory): void {
  countAttributeRows(reader, seen);
  reader.offset = 0;
  const visitProfile: Visit = (_, tag) => {
    if (tag === FIELD_1) return walkInto(reader, "ValueType", seen, nothing);
    if (tag !== FIELD_2 || seen.samplesJudged >= SAMPLES_JUDGED_MAX) return false;
    return visitSample(reader, seen);
  };
  const visitScope: Visit = (_, tag) =>
    tag === FIELD_2 && walkInto(reader, "Profile", seen, visitProfile);
  const visitResource: Visit = (_, tag) =>
    tag === FIELD_2 && walkInto(reader, "ScopeProfiles", seen, visitScope);
  walk(
    reader,
    "ProfilesData",
    seen,
    (_, tag) => tag === FIELD_1 && walkInto(reader, "ResourceProfiles", seen, visitResource),
  );
}

function countAttributeRows(reader: ProtoReader, seen: Inventory): void {
  const visitDictionary: Visit = (_, tag) => {
    if (tag !== ATTRIBUTE_TABLE) return false;
    seen.attributeRows++;
    return walkInto(reader, "Attribute", seen, nothing);
  };
  const visitData: Visit = (_, tag) =>
    tag === FIELD_2 && walkInto(reader, "ProfilesDictionary", seen, visitDictionary);
  try {
    walk(reader, "ProfilesData", seen, visitData);
  } catch {
    // Field 2 was a mapping in 1.6, and may read as anything.
    reader.end = reader.bytes.length;
  }
}

function visitSample(reader: ProtoReader, seen: Inventory): true {
  const outer = reader.enter();
  const second = seen.secondField;
  second.length = 0;
  let tags = 0;
  let timestamps = 0;
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    if (tag < SAMPLE_TAGS) tags |= bitOf(tag >>> 3, tag & 7);
    if (tag === tagOf(2, WIRE_BYTES)) reader.packedInt32(second);
    else if (tag === tagOf(5, WIRE_BYTES)) timestamps += reader.lengthDelimited().length >>> 3;
    else reader.skip(tag);
  }
  reader.leave(outer);
  seen.samplesJudged++;
  judgeSample(seen, tags, second.data.subarray(0, second.length), timestamps);
  return true;
}

/** Tags of the fields 1 to 5, each with its wire type 0, 1 or 2 as one bit. */
const SAMPLE_TAGS: number = tagOf(6, 0);

function bitOf(fieldNumber: number, wireType: number): number {
  return wireType > WIRE_BYTES ? 0 : 1 << (fieldNumber * 3 + wireType);
}

/** @param second  the packed items of field 2 */
function judgeSample(seen: Inventory, tags: number, second: Int32Array, timestamps: number): void {
  const has = (fieldNumber: number, wireType: number): boolean =>
    (tags & bitOf(fieldNumber, wireType)) !== 0;
  if (has(3, WIRE_BYTES)) seen.hasOldSample = true;
  // A link index among packed lists; where nothing is packed, field 4 is a value of today.
  else if (has(4, WIRE_VARINT) && (has(2, WIRE_BYTES) || has(5, WIRE_BYTES))) {
    seen.hasOldSample = true;
  } else if (has(3, WIRE_VARINT) || has(4, WIRE_BYTES) || has(4, WIRE_VARINT)) {
    seen.hasPresentSample = true;
  } else if (second.length > 0 && !has(5, WIRE_BYTES) && !has(5, WIRE_FIXED64)) {
    // One value and nothing else of old; today it would have neither a value nor a timestamp.
    seen.hasOldSample = true;
  }
  if (second.length > 0 && timestamps > 0 && second.length !== timestamps) {
    seen.hasPresentSample = true;
  }
  if (second.length !== timestamps) seen.pairsThroughout = false;
  if (!seen.pairsThroughout || seen.hasOddAttributes) return;
  const isOdd = second.some((index) => index <= 0 || index >= seen.attributeRows);
  seen.hasOddAttributes = isOdd || new Set(second).size < second.length;
}
