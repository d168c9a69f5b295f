import { valueKey } from "./attribute-value.ts";
import type { Int32Column } from "./columns.ts";
import type { Dictionary } from "./dictionary.ts";
import type { ListTable } from "./list-table.ts";
import type { Profile, ProfileBatch, ResourceProfiles, ScopeProfiles } from "./profile.ts";

/**
 * The rules of OTLP profiles beyond what a decoder must refuse: what the conformance tool of
 * OpenTelemetry's profiling group (profcheck, opentelemetry-proto 1.11) and the comments of
 * profiles.proto ask of a producer, over the decoded model.
 */

/** A batch that breaks one rule in a million places needs no million sentences. */
export const PROBLEMS_MAX = 1000;

const PROFILE_ID_BYTES = 16;
const TRACE_ID_DIGITS = 32;
const SPAN_ID_DIGITS = 16;

/**
 * Each broken rule with its place, as `MUST …: what` or `SHOULD …: what`; at most PROBLEMS_MAX.
 * Empty for a batch that conforms.
 */
export function profcheck(batch: ProfileBatch): string[] {
  const report = new Report();
  checkDictionary(batch.dictionary, report);
  const references = new References(batch.dictionary, report);
  if (batch.resourceProfiles.length === 0) report.should("ProfilesData", "has no profiles");
  for (const [i, resource] of batch.resourceProfiles.entries()) {
    checkResource(resource, `resource_profiles[${i}]`, references, report);
  }
  references.reportOrphans();
  return report.problems;
}

class Report {
  readonly problems: string[] = [];

  must(where: string, what: string): void {
    this.#add(`MUST ${where}: ${what}`);
  }

  should(where: string, what: string): void {
    this.#add(`SHOULD ${where}: ${what}`);
  }

  #add(problem: string): void {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push(problem);
  }
}

function checkResource(
  owner: ResourceProfiles,
  where: string,
  references: References,
  report: Report,
): void {
  if (owner.scopeProfiles.length === 0) report.should(where, "has no scope_profiles");
  checkKeys(
    owner.resource.attributes.map(({ key }) => key),
    `${where}.resource`,
    report,
  );
  for (const [i, scope] of owner.scopeProfiles.entries()) {
    checkScope(scope, `${where}.scope_profiles[${i}]`, references, report);
  }
}

function checkScope(
  owner: ScopeProfiles,
  where: string,
  references: References,
  report: Report,
): void {
  if (owner.profiles.length === 0) report.should(where, "has no profiles");
  checkKeys(
    owner.scope.attributes.map(({ key }) => key),
    `${where}.scope`,
    report,
  );
  for (const [i, profile] of owner.profiles.entries()) {
    const place = `${where}.profiles[${i}]`;
    checkProfile(profile, place, report);
    references.addProfile(profile, place);
  }
}

function checkProfile(profile: Profile, where: string, report: Report): void {
  const { profileId, originalPayload, originalPayloadFormat, samples } = profile;
  if (profileId.length > 0) {
    if (profileId.length !== PROFILE_ID_BYTES) report.must(where, "profile_id has not 16 bytes");
    else if (profileId.every((byte) => byte === 0)) report.must(where, "profile_id is all zero");
  }
  if ((originalPayload.length === 0) !== (originalPayloadFormat === "")) {
    report.must(where, "original_payload and its format are not set together");
  }
  if (samples.length === 0) report.should(where, "has no samples");
  const identities = new Set<string>();
  for (let sample = 0; sample < samples.length; sample++) {
    const place = `${where}.samples[${sample}]`;
    checkTimestamps(profile, sample, place, report);
    const set = samples.attributeSet.at(sample);
    const identity = `${samples.stack.at(sample)},${set},${samples.link.at(sample)}`;
    if (identities.has(identity)) report.should(place, "equals an earlier sample");
    identities.add(identity);
  }
}

function checkTimestamps(profile: Profile, sample: number, where: string, report: Report): void {
  const { samples, timeUnixNano, durationNano } = profile;
  if (samples.shape === "values") return;
  const start = samples.timestampStart(sample);
  const end = samples.timestampEnd(sample);
  if (start === end) report.must(where, "has neither values nor timestamps");
  for (let i = start; i < end; i++) {
    const time = samples.timestampUnixNano.bigint(i);
    if (time < timeUnixNano || time >= timeUnixNano + durationNano) {
      report.should(where, `timestamp ${time} is outside of the profile's window`);
      return;
    }
  }
}

function checkKeys(keys: readonly string[], where: string, report: Report): void {
  const seen = new Set<string>();
  for (const key of keys) {
    if (key === "") report.should(where, "has an attribute without a key");
    if (seen.has(key)) report.must(where, `has the attribute ${key} twice`);
    seen.add(key);
  }
}

function checkDictionary(dictionary: Dictionary, report: Report): void {
  const empty = dictionary.firstEmptyTable();
  if (empty) report.must(empty, "lacks its row 0");
  const wrong = dictionary.firstWrongZeroEntry();
  if (wrong) report.must(wrong, "row 0 is not the zero value");
  checkDuplicates(dictionary, report);
  checkMappings(dictionary, report);
  checkLines(dictionary, report);
  checkLinks(dictionary, report);
  const { attributeSets, attributes, strings } = dictionary;
  for (let set = 1; set < attributeSets.length; set++) {
    const rows = [...attributeSets.row(set)];
    const keys = rows.map((row) => strings.at(attributes.key.at(row)));
    checkKeys(keys, `attribute_indices [${rows.join(", ")}]`, report);
  }
}

function checkMappings({ mappings }: Dictionary, report: Report): void {
  for (let row = 1; row < mappings.length; row++) {
    const { memoryStart, memoryLimit } = mappings.at(row);
    const isUnset = memoryStart === 0n && memoryLimit === 0n;
    if (!isUnset && memoryStart >= memoryLimit) {
      report.must(`mapping_table[${row}]`, "memory_start is not below memory_limit");
    }
  }
}

function checkLines({ locations, functions }: Dictionary, report: Report): void {
  for (let row = 0; row < locations.length; row++) {
    for (let line = locations.lineStart(row); line < locations.lineEnd(row); line++) {
      if (locations.lineNumber.at(line) < 0 || locations.lineColumn.at(line) < 0) {
        report.must(`location_table[${row}]`, "has a negative line or column");
      }
    }
  }
  for (let row = 0; row < functions.length; row++) {
    if (functions.startLine.at(row) < 0) {
      report.must(`function_table[${row}]`, "has a negative start_line");
    }
  }
}

function checkLinks({ links }: Dictionary, report: Report): void {
  for (let row = 1; row < links.length; row++) {
    if (links.traceId(row).length !== TRACE_ID_DIGITS) {
      report.must(`link_table[${row}]`, "trace_id has not 16 bytes or is all zero");
    }
    if (links.spanId(row).length !== SPAN_ID_DIGITS) {
      report.must(`link_table[${row}]`, "span_id has not 8 bytes or is all zero");
    }
  }
}

function checkDuplicates(dictionary: Dictionary, report: Report): void {
  const { strings, functions, mappings, locations, stacks, attributes, links } = dictionary;
  const lists = dictionary.attributeSets;
  const tables: readonly [string, number, (row: number) => string][] = [
    ["string_table", strings.length, (row) => strings.at(row)],
    [
      "function_table",
      functions.length,
      (row) =>
        [functions.name, functions.systemName, functions.filename, functions.startLine]
          .map((column) => column.at(row))
          .join(),
    ],
    [
      "mapping_table",
      mappings.length,
      (row) => {
        const { attributeSet, ...mapping } = mappings.at(row);
        return [...Object.values(mapping), setKey(lists, attributeSet)].join();
      },
    ],
    ["location_table", locations.length, (row) => locationKey(dictionary, row)],
    ["stack_table", stacks.length, (row) => stacks.row(row).join()],
    [
      "attribute_table",
      attributes.length,
      (row) =>
        `${attributes.key.at(row)},${attributes.unit.at(row)},${valueKey(attributes.value(row))}`,
    ],
    ["link_table", links.length, (row) => links.traceId(row) + links.spanId(row)],
  ];
  for (const [name, length, keyOf] of tables) {
    const rows = new Map<string, number>();
    for (let row = 0; row < length; row++) {
      const first = rows.getOrInsert(keyOf(row), row);
      if (first !== row) report.should(`${name}[${row}]`, `equals row ${first}`);
    }
  }
}

/** The order of attribute indices has no meaning. */
function setKey(lists: ListTable, set: number): string {
  return `{${lists.row(set).sort().join()}}`;
}

function locationKey({ locations, attributeSets }: Dictionary, row: number): string {
  const parts: unknown[] = [
    locations.mapping.at(row),
    locations.address.bigint(row),
    setKey(attributeSets, locations.attributeSet.at(row)),
  ];
  for (let line = locations.lineStart(row); line < locations.lineEnd(row); line++) {
    parts.push(
      locations.lineFunction.at(line),
      locations.lineNumber.at(line),
      locations.lineColumn.at(line),
    );
  }
  return parts.join();
}

/** Follows every index from the profiles down: each must lead to a row, each row should be met. */
class References {
  readonly #dictionary: Dictionary;
  readonly #report: Report;
  readonly #met = new Map<string, Uint8Array>();

  constructor(dictionary: Dictionary, report: Report) {
    this.#dictionary = dictionary;
    this.#report = report;
    for (const [name, table] of this.#tables()) this.#met.set(name, new Uint8Array(table.length));
    this.#addTables();
  }

  addProfile(profile: Profile, where: string): void {
    const { sampleType, periodType, samples } = profile;
    for (const row of [sampleType.type, sampleType.unit, periodType.type, periodType.unit]) {
      this.#meet("string_table", row, where);
    }
    this.#meetSet(profile.attributeSet, where);
    this.#meetAll("stack_table", samples.stack, where);
    this.#meetAll("link_table", samples.link, where);
    for (let i = 0; i < samples.length; i++) this.#meetSet(samples.attributeSet.at(i), where);
  }

  reportOrphans(): void {
    for (const [name, met] of this.#met) {
      for (let row = 1; row < met.length; row++) {
        if (met[row] === 0) this.#report.should(`${name}[${row}]`, "nothing refers to it");
      }
    }
  }

  /** Marks what the rows of tables refer to. A row that an orphan refers to is none. */
  #addTables(): void {
    const { functions, mappings, locations, stacks, attributes } = this.#dictionary;
    this.#meetAll("string_table", functions.name, "function_table");
    this.#meetAll("string_table", functions.systemName, "function_table");
    this.#meetAll("string_table", functions.filename, "function_table");
    this.#meetAll("string_table", mappings.filename, "mapping_table");
    this.#meetAll("string_table", attributes.key, "attribute_table");
    this.#meetAll("string_table", attributes.unit, "attribute_table");
    this.#meetAll("mapping_table", locations.mapping, "location_table");
    this.#meetAll("function_table", locations.lineFunction, "location_table");
    this.#meetAll("location_table", stacks.items, "stack_table");
    for (let row = 0; row < mappings.length; row++) {
      this.#meetSet(mappings.attributeSet.at(row), "mapping_table");
    }
    for (let row = 0; row < locations.length; row++) {
      this.#meetSet(locations.attributeSet.at(row), "location_table");
    }
  }

  #tables(): readonly (readonly [string, { readonly length: number }])[] {
    const { strings, functions, mappings, locations, stacks, attributes, links } = this.#dictionary;
    return [
      ["string_table", strings],
      ["function_table", functions],
      ["mapping_table", mappings],
      ["location_table", locations],
      ["stack_table", stacks],
      ["attribute_table", attributes],
      ["link_table", links],
    ];
  }

  #meetAll(table: string, column: Int32Column, where: string): void {
    for (let row = 0; row < column.length; row++) this.#meet(table, column.at(row), where);
  }

  #meetSet(set: number, where: string): void {
    const { attributeSets } = this.#dictionary;
    for (const row of attributeSets.row(set)) this.#meet("attribute_table", row, where);
  }

  #meet(table: string, row: number, where: string): void {
    const met = this.#met.get(table);
    if (met && row >= 0 && row < met.length) met[row] = 1;
    else this.#report.must(where, `refers to ${table}[${row}], which does not exist`);
  }
}
