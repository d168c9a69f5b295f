import type { AttributeValue } from "./attribute-value.ts";
import { stringValue, valueKey } from "./attribute-value.ts";
import { Float64Column, Int32Column, Uint64Column } from "./columns.ts";
import { ListTable } from "./list-table.ts";
import { LocationTable } from "./location-table.ts";
import { builtIndex, mixHash, type RowIndex } from "./row-index.ts";

/**
 * The tables that the samples of a batch refer to by index, after OTLP's ProfilesDictionary
 * (opentelemetry-proto 1.11, profiles/v1development). Entry 0 of every table is its zero value
 * and means "not set".
 *
 * Each table has two ways in: `append` adds a row as it stands (a decoder, which must keep the
 * sender's indices), `intern` returns the row that equals the arguments and adds it only when
 * there is none (everybody else).
 */
export class Dictionary {
  readonly strings: StringTable = new StringTable();
  readonly functions: FunctionTable = new FunctionTable();
  readonly mappings: MappingTable = new MappingTable();
  readonly locations: LocationTable = new LocationTable();
  /** Lists of location indices, leaf first. */
  readonly stacks: ListTable = new ListTable();
  readonly attributes: AttributeTable = new AttributeTable();
  /**
   * Lists of attribute indices. Not a table of OTLP's, which writes the list at each owner;
   * here an owner holds one index.
   */
  readonly attributeSets: ListTable = new ListTable();
  readonly links: LinkTable = new LinkTable();

  constructor() {
    this.attributeSets.append([]);
  }

  /** A dictionary whose tables hold their zero entry and nothing else. */
  static create(): Dictionary {
    const dictionary = new Dictionary();
    dictionary.addMissingZeroEntries();
    return dictionary;
  }

  /**
   * Gives every table that is still empty its zero entry. `new Dictionary()` makes tables
   * without one, for decoders that append the sender's own.
   */
  addMissingZeroEntries(): void {
    if (this.strings.length === 0) this.strings.append("");
    if (this.functions.length === 0) this.functions.append(0, 0, 0, 0);
    if (this.mappings.length === 0) this.mappings.append(ZERO_MAPPING);
    if (this.locations.length === 0) this.locations.append(0, 0, 0, [], 0);
    if (this.stacks.length === 0) this.stacks.append([]);
    if (this.attributes.length === 0) this.attributes.append(0, { type: "empty" }, 0);
    if (this.links.length === 0) this.links.append("", "");
  }

  /** The first table, by OTLP's name, that has no rows at all. */
  firstEmptyTable(): string | undefined {
    const lengths: readonly [string, number][] = [
      ["string_table", this.strings.length],
      ["function_table", this.functions.length],
      ["mapping_table", this.mappings.length],
      ["location_table", this.locations.length],
      ["stack_table", this.stacks.length],
      ["attribute_table", this.attributes.length],
      ["link_table", this.links.length],
    ];
    return lengths.find(([, length]) => length === 0)?.[0];
  }

  /** The first table, by OTLP's name, whose row 0 is there and is not the zero value. */
  firstWrongZeroEntry(): string | undefined {
    if (this.strings.at(0) !== "") return "string_table";
    if (!isZeroFunction(this.functions)) return "function_table";
    if (!isZeroMapping(this.mappings.at(0))) return "mapping_table";
    if (!isZeroLocation(this.locations)) return "location_table";
    if (this.stacks.size(0) !== 0) return "stack_table";
    if (!isZeroAttribute(this.attributes)) return "attribute_table";
    if (this.links.traceId(0) !== "" || this.links.spanId(0) !== "") return "link_table";
    return undefined;
  }

  /** Interns a string attribute with its key; returns the attribute's index. */
  internStringAttribute(key: string, value: string): number {
    return this.attributes.intern(this.strings.intern(key), stringValue(value), 0);
  }

  /** The value of the attribute with this key in a set, if it is there. */
  findAttribute(attributeSet: number, key: string): AttributeValue | undefined {
    const end = this.attributeSets.end(attributeSet);
    for (let place = this.attributeSets.start(attributeSet); place < end; place++) {
      const attribute = this.attributeSets.item(place);
      if (this.strings.at(this.attributes.key.at(attribute)) === key)
        return this.attributes.value(attribute);
    }
    return undefined;
  }
}

export class StringTable {
  readonly #rows: string[] = [];
  #index: Map<string, number> | undefined;

  get length(): number {
    return this.#rows.length;
  }

  /** The text of an index; "" for one that does not exist. */
  at(row: number): string {
    return this.#rows[row] ?? "";
  }

  append(text: string): number {
    const row = this.#rows.push(text) - 1;
    if (this.#index && !this.#index.has(text)) this.#index.set(text, row);
    return row;
  }

  intern(text: string): number {
    this.#index ??= firstRows(this.#rows);
    return this.#index.get(text) ?? this.append(text);
  }
}

/** What is run: names and the place in the source. Columns hold string indices. */
export class FunctionTable {
  readonly name: Int32Column = new Int32Column();
  readonly systemName: Int32Column = new Int32Column();
  readonly filename: Int32Column = new Int32Column();
  readonly startLine: Float64Column = new Float64Column();
  #index: RowIndex | undefined;

  get length(): number {
    return this.name.length;
  }

  /** Makes room for `count` more rows. */
  reserve(count: number): void {
    for (const column of [this.name, this.systemName, this.filename, this.startLine]) {
      column.reserve(count);
    }
  }

  append(name: number, systemName: number, filename: number, startLine: number): number {
    const row = this.length;
    this.name.push(name);
    this.systemName.push(systemName);
    this.filename.push(filename);
    this.startLine.push(startLine);
    this.#index?.add(this.#hashOf(row), row);
    return row;
  }

  intern(name: number, systemName: number, filename: number, startLine: number): number {
    this.#index ??= builtIndex(this.length, (row) => this.#hashOf(row));
    const found = this.#index.find(
      functionHash(name, systemName, filename, startLine),
      (row) =>
        this.name.at(row) === name &&
        this.systemName.at(row) === systemName &&
        this.filename.at(row) === filename &&
        this.startLine.at(row) === startLine,
    );
    return found >= 0 ? found : this.append(name, systemName, filename, startLine);
  }

  #hashOf(row: number): number {
    return functionHash(
      this.name.at(row),
      this.systemName.at(row),
      this.filename.at(row),
      this.startLine.at(row),
    );
  }
}

/** One row of the mapping table: a file mapped into memory. Indices as in the table. */
export interface MappingRow {
  readonly memoryStart: bigint;
  readonly memoryLimit: bigint;
  readonly fileOffset: bigint;
  /** String index. */
  readonly filename: number;
  readonly attributeSet: number;
}

const ZERO_MAPPING: MappingRow = {
  memoryStart: 0n,
  memoryLimit: 0n,
  fileOffset: 0n,
  filename: 0,
  attributeSet: 0,
};

export class MappingTable {
  readonly memoryStart: Uint64Column = new Uint64Column();
  readonly memoryLimit: Uint64Column = new Uint64Column();
  readonly fileOffset: Uint64Column = new Uint64Column();
  readonly filename: Int32Column = new Int32Column();
  readonly attributeSet: Int32Column = new Int32Column();
  #index: Map<string, number> | undefined;

  get length(): number {
    return this.filename.length;
  }

  at(row: number): MappingRow {
    return {
      memoryStart: this.memoryStart.bigint(row),
      memoryLimit: this.memoryLimit.bigint(row),
      fileOffset: this.fileOffset.bigint(row),
      filename: this.filename.at(row),
      attributeSet: this.attributeSet.at(row),
    };
  }

  append(mapping: MappingRow): number {
    const row = this.length;
    this.memoryStart.pushBigInt(mapping.memoryStart);
    this.memoryLimit.pushBigInt(mapping.memoryLimit);
    this.fileOffset.pushBigInt(mapping.fileOffset);
    this.filename.push(mapping.filename);
    this.attributeSet.push(mapping.attributeSet);
    this.#index?.getOrInsert(mappingKey(mapping), row);
    return row;
  }

  intern(mapping: MappingRow): number {
    this.#index ??= firstRows(
      Array.from({ length: this.length }, (_, row) => mappingKey(this.at(row))),
    );
    return this.#index.get(mappingKey(mapping)) ?? this.append(mapping);
  }
}

/** KeyValueAndUnit: a key and a unit by string index, and a value. */
export class AttributeTable {
  readonly key: Int32Column = new Int32Column();
  readonly unit: Int32Column = new Int32Column();
  readonly #values: AttributeValue[] = [];
  #index: Map<string, number> | undefined;

  get length(): number {
    return this.key.length;
  }

  value(row: number): AttributeValue {
    return this.#values[row] ?? EMPTY_VALUE;
  }

  append(key: number, value: AttributeValue, unit: number): number {
    const row = this.length;
    this.key.push(key);
    this.unit.push(unit);
    this.#values.push(value);
    this.#index?.getOrInsert(attributeKey(key, value, unit), row);
    return row;
  }

  intern(key: number, value: AttributeValue, unit: number): number {
    this.#index ??= firstRows(
      this.#values.map((rowValue, row) =>
        attributeKey(this.key.at(row), rowValue, this.unit.at(row)),
      ),
    );
    return this.#index.get(attributeKey(key, value, unit)) ?? this.append(key, value, unit);
  }
}

/** A span that was active: ids as lower-case hex, "" when absent. */
export class LinkTable {
  readonly #traceIds: string[] = [];
  readonly #spanIds: string[] = [];
  #index: Map<string, number> | undefined;

  get length(): number {
    return this.#traceIds.length;
  }

  traceId(row: number): string {
    return this.#traceIds[row] ?? "";
  }

  spanId(row: number): string {
    return this.#spanIds[row] ?? "";
  }

  append(traceId: string, spanId: string): number {
    const row = this.#traceIds.push(traceId) - 1;
    this.#spanIds.push(spanId);
    this.#index?.getOrInsert(`${traceId}/${spanId}`, row);
    return row;
  }

  intern(traceId: string, spanId: string): number {
    this.#index ??= firstRows(this.#traceIds.map((id, row) => `${id}/${this.#spanIds[row]}`));
    return this.#index.get(`${traceId}/${spanId}`) ?? this.append(traceId, spanId);
  }
}

const EMPTY_VALUE: AttributeValue = { type: "empty" };

function isZeroFunction({ name, systemName, filename, startLine }: FunctionTable): boolean {
  return (
    name.at(0) === 0 && systemName.at(0) === 0 && filename.at(0) === 0 && startLine.at(0) === 0
  );
}

function isZeroMapping(row: MappingRow): boolean {
  return (
    row.memoryStart === 0n &&
    row.memoryLimit === 0n &&
    row.fileOffset === 0n &&
    row.filename === 0 &&
    row.attributeSet === 0
  );
}

function isZeroLocation({ mapping, address, attributeSet, lineEnds }: LocationTable): boolean {
  return (
    mapping.at(0) === 0 &&
    address.low(0) === 0 &&
    address.high(0) === 0 &&
    attributeSet.at(0) === 0 &&
    lineEnds.at(0) === 0
  );
}

function isZeroAttribute(attributes: AttributeTable): boolean {
  const { key, unit } = attributes;
  return key.at(0) === 0 && unit.at(0) === 0 && attributes.value(0).type === "empty";
}

function functionHash(
  name: number,
  systemName: number,
  filename: number,
  startLine: number,
): number {
  return mixHash(mixHash(mixHash(mixHash(17, name), systemName), filename), startLine);
}

function mappingKey(mapping: MappingRow): string {
  const { memoryStart, memoryLimit, fileOffset, filename, attributeSet } = mapping;
  return `${memoryStart},${memoryLimit},${fileOffset},${filename},${attributeSet}`;
}

function attributeKey(key: number, value: AttributeValue, unit: number): string {
  return `${key},${unit},${valueKey(value)}`;
}

function firstRows(keys: readonly string[]): Map<string, number> {
  const rows = new Map<string, number>();
  for (const [row, key] of keys.entries()) if (!rows.has(key)) rows.set(key, row);
  return rows;
}
