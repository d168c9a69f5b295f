import type { Dictionary } from "./dictionary.ts";

/**
 * Copies rows from one dictionary to another, with everything that they refer to: each row at
 * most once, and none for which the target has an equal one. Every method takes an index of
 * the source and returns that of the target; 0 stays 0.
 */
export class DictionaryCopier {
  readonly #source: Dictionary;
  readonly #target: Dictionary;
  /** Index in the target + 1 by index in the source; 0 for what was not copied yet. */
  readonly #strings: Int32Array;
  readonly #functions: Int32Array;
  readonly #mappings: Int32Array;
  readonly #locations: Int32Array;
  readonly #stacks: Int32Array;
  readonly #attributes: Int32Array;
  readonly #attributeSets: Int32Array;
  readonly #links: Int32Array;

  constructor(source: Dictionary, target: Dictionary) {
    this.#source = source;
    this.#target = target;
    this.#strings = new Int32Array(source.strings.length);
    this.#functions = new Int32Array(source.functions.length);
    this.#mappings = new Int32Array(source.mappings.length);
    this.#locations = new Int32Array(source.locations.length);
    this.#stacks = new Int32Array(source.stacks.length);
    this.#attributes = new Int32Array(source.attributes.length);
    this.#attributeSets = new Int32Array(source.attributeSets.length);
    this.#links = new Int32Array(source.links.length);
  }

  string(row: number): number {
    return this.#once(this.#strings, row, () =>
      this.#target.strings.intern(this.#source.strings.at(row)),
    );
  }

  function(row: number): number {
    return this.#once(this.#functions, row, () => {
      const { name, systemName, filename, startLine } = this.#source.functions;
      return this.#target.functions.intern(
        this.string(name.at(row)),
        this.string(systemName.at(row)),
        this.string(filename.at(row)),
        startLine.at(row),
      );
    });
  }

  mapping(row: number): number {
    return this.#once(this.#mappings, row, () => {
      const mapping = this.#source.mappings.at(row);
      return this.#target.mappings.intern({
        ...mapping,
        filename: this.string(mapping.filename),
        attributeSet: this.attributeSet(mapping.attributeSet),
      });
    });
  }

  location(row: number): number {
    return this.#once(this.#locations, row, () => {
      const { locations } = this.#source;
      const lines: number[] = [];
      const end = locations.lineEnd(row);
      for (let line = locations.lineStart(row); line < end; line++) {
        lines.push(
          this.function(locations.lineFunction.at(line)),
          locations.lineNumber.at(line),
          locations.lineColumn.at(line),
        );
      }
      return this.#target.locations.intern(
        this.mapping(locations.mapping.at(row)),
        locations.address.low(row),
        locations.address.high(row),
        lines,
        this.attributeSet(locations.attributeSet.at(row)),
      );
    });
  }

  stack(row: number): number {
    return this.#once(this.#stacks, row, () => {
      const list = this.#source.stacks.row(row);
      for (let i = 0; i < list.length; i++) list[i] = this.location(list[i] as number);
      return this.#target.stacks.intern(list);
    });
  }

  attribute(row: number): number {
    return this.#once(this.#attributes, row, () => {
      const { attributes } = this.#source;
      return this.#target.attributes.intern(
        this.string(attributes.key.at(row)),
        attributes.value(row),
        this.string(attributes.unit.at(row)),
      );
    });
  }

  /** Sets are sorted by index on the way, so that equal sets become one row. */
  attributeSet(row: number): number {
    return this.#once(this.#attributeSets, row, () => {
      const list = this.#source.attributeSets.row(row);
      for (let i = 0; i < list.length; i++) list[i] = this.attribute(list[i] as number);
      return this.#target.attributeSets.intern(list.sort());
    });
  }

  link(row: number): number {
    return this.#once(this.#links, row, () => {
      const { links } = this.#source;
      return this.#target.links.intern(links.traceId(row), links.spanId(row));
    });
  }

  #once(copied: Int32Array, row: number, copy: () => number): number {
    if (row === 0) return 0;
    const known = copied[row];
    if (known) return known - 1;
    const index = copy();
    copied[row] = index + 1;
    return index;
  }
}
