import type { ProfileLimits } from "../../support/limits.ts";
import { ProtoReader } from "../protobuf/reader.ts";
import { inflated } from "./inflate.ts";
import * as wire from "./wire.ts";

/** Findings of one profile; a broken one has the same again and again. */
export const VIOLATIONS_MAX = 1000;

/** A message as the checks see it: the varints of each field, and where its messages are. */
interface Message {
  readonly numbers: Map<number, bigint[]>;
  readonly messages: Map<number, Message[]>;
}

/** Fields that are messages, by the path of the fields that lead to them. */
const nested: ReadonlyMap<string, ReadonlySet<number>> = new Map([
  ["", new Set([1, 2, 3, 4, 5, 11])],
  ["2", new Set([3])],
  ["4", new Set([4])],
]);
/** Repeated numbers that may be packed, by path and field. */
const packed: ReadonlySet<string> = new Set(["2.1", "2.2", ".13"]);
const STRING_FIELD = 6;

/**
 * Checks what `go tool pprof` demands of a profile before it shows it, and that every text is
 * in the string table. For tests and for `validate`; it makes objects of everything.
 *
 * @returns one sentence for each violation; none for a valid profile
 * @throws INPUT_MALFORMED  it is not even protobuf
 */
export function checkPprof(bytes: Uint8Array, limits: ProfileLimits): string[] {
  const reader = new ProtoReader(inflated(bytes, limits, "pprof"), "pprof");
  const strings: string[] = [];
  const profile = readMessage(reader, "", strings);
  const violations: string[] = [];
  const report = (what: string): void => {
    if (violations.length < VIOLATIONS_MAX) violations.push(what);
  };
  checkStrings(profile, strings, report);
  const mappings = checkIds(profile, 3, "mapping", report);
  const functions = checkIds(profile, 5, "function", report);
  const locations = checkIds(profile, 4, "location", report);
  checkLocations(profile, mappings, functions, report);
  checkSamples(profile, locations, report);
  return violations;
}

type Report = (what: string) => void;

function readMessage(reader: ProtoReader, path: string, strings: string[]): Message {
  const message: Message = { numbers: new Map(), messages: new Map() };
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    const field = tag >>> 3;
    if (path === "" && tag === wire.PROFILE_STRING_TABLE) strings.push(reader.string());
    else if ((tag & 7) === 0) push(message.numbers, field, reader.uint64BigInt());
    else if ((tag & 7) !== 2) reader.skip(tag);
    else if (nested.get(path)?.has(field)) {
      const outer = reader.enter();
      push(message.messages, field, readMessage(reader, String(field), strings));
      reader.leave(outer);
    } else if (packed.has(`${path}.${field}`)) {
      const outer = reader.enter();
      while (reader.offset < reader.end) push(message.numbers, field, reader.uint64BigInt());
      reader.leave(outer);
    } else reader.skip(tag);
  }
  return message;
}

function push<Item>(map: Map<number, Item[]>, field: number, item: Item): void {
  map.getOrInsertComputed(field, () => []).push(item);
}

/** The text fields of each kind of message. */
const textFields: readonly (readonly [name: string, path: readonly number[], fields: number[]])[] =
  [
    ["profile", [], [7, 8, 13, 14, 15]],
    ["sample type", [1], [1, 2]],
    ["period type", [11], [1, 2]],
    ["label", [2, 3], [1, 2, 4]],
    ["mapping", [3], [5, 6]],
    ["function", [5], [2, 3, 4]],
  ];

function checkStrings(profile: Message, strings: readonly string[], report: Report): void {
  if (strings[0] !== "") report(`the string table (field ${STRING_FIELD}) does not begin with ""`);
  for (const [name, path, fields] of textFields) {
    for (const message of messagesAt(profile, path)) {
      for (const index of fields.flatMap((field) => message.numbers.get(field) ?? [])) {
        if (index >= strings.length)
          report(`a ${name} refers to string ${index}, which is not there`);
      }
    }
  }
}

function messagesAt(message: Message, path: readonly number[]): Message[] {
  const [field, ...rest] = path;
  if (field === undefined) return [message];
  return (message.messages.get(field) ?? []).flatMap((inner) => messagesAt(inner, rest));
}

function checkIds(profile: Message, field: number, name: string, report: Report): Set<bigint> {
  const ids = new Set<bigint>();
  for (const message of profile.messages.get(field) ?? []) {
    const id = last(message, 1);
    if (id === 0n) report(`a ${name} has the id 0`);
    if (ids.has(id)) report(`two ${name}s have the id ${id}`);
    ids.add(id);
  }
  return ids;
}

function checkLocations(
  profile: Message,
  mappings: ReadonlySet<bigint>,
  functions: ReadonlySet<bigint>,
  report: Report,
): void {
  for (const location of profile.messages.get(4) ?? []) {
    const mapping = last(location, 2);
    if (mapping !== 0n && !mappings.has(mapping)) {
      report(`location ${last(location, 1)} is in mapping ${mapping}, which is not there`);
    }
    for (const line of location.messages.get(4) ?? []) {
      const fn = last(line, 1);
      if (!functions.has(fn)) {
        report(`location ${last(location, 1)} has a line of function ${fn}, which is not there`);
      }
    }
  }
}

function checkSamples(profile: Message, locations: ReadonlySet<bigint>, report: Report): void {
  const samples = profile.messages.get(2) ?? [];
  const types = profile.messages.get(1)?.length ?? 0;
  if (types === 0 && samples.length > 0) report("there are samples but no sample type");
  for (const [index, sample] of samples.entries()) {
    const count = sample.numbers.get(2)?.length ?? 0;
    if (count !== types) report(`sample ${index} has ${count} values for ${types} sample types`);
    for (const id of sample.numbers.get(1) ?? []) {
      if (!locations.has(id)) report(`sample ${index} names location ${id}, which is not there`);
    }
  }
}

function last(message: Message, field: number): bigint {
  return message.numbers.get(field)?.at(-1) ?? 0n;
}
