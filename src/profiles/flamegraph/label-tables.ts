import { type AttributeValue, valueText } from "../attribute-value.ts";
import type { Dictionary } from "../dictionary.ts";
import type { Resource } from "../profile.ts";
import type { FlameProfile } from "./columns.ts";

/** What the decoder of pprof keeps of a file's header: nothing to filter samples by. */
const HEADER_KEYS = /^pprof\.(profile|scope)\./;

/** Characters of a value that a reader may need to tell it from others. */
const VALUE_LENGTH_MAX = 1024;

/** The label sets of samples: attributes of resource, profile and sample as texts. */
export class LabelTables {
  readonly #dictionary: Dictionary;
  readonly #resources = new Map<Resource, number>();
  readonly #setsByOwners = new Map<string, number>();
  readonly #setsByLabels = new Map<string, number>();
  readonly #labels = new Map<string, number>();
  readonly #texts = new Map<string, number>();
  readonly #key: number[] = [];
  readonly #value: number[] = [];
  readonly #ends: number[] = [];
  readonly #items: number[] = [];
  #last = { resource: undefined as Resource | undefined, profileSet: -1, sampleSet: -1, set: 0 };

  constructor(dictionary: Dictionary) {
    this.#dictionary = dictionary;
  }

  /** @param profileSet and sampleSet  rows of the dictionary's attribute sets */
  setOf(resource: Resource, profileSet: number, sampleSet: number): number {
    const last = this.#last;
    const isLast = last.profileSet === profileSet && last.sampleSet === sampleSet;
    if (isLast && last.resource === resource) return last.set;
    const owner = this.#resources.getOrInsertComputed(resource, () => this.#resources.size);
    const set = this.#setsByOwners.getOrInsertComputed(`${owner} ${profileSet} ${sampleSet}`, () =>
      this.#intern([
        ...resource.attributes.flatMap(({ key, value }) => this.#labelsOf(key, value)),
        ...this.#labelsOfSet(profileSet),
        ...this.#labelsOfSet(sampleSet),
      ]),
    );
    this.#last = { resource, profileSet, sampleSet, set };
    return set;
  }

  tables(): Pick<FlameProfile, "labels" | "labelSets"> {
    return {
      labels: {
        texts: [...this.#texts.keys()],
        key: Uint32Array.from(this.#key),
        value: Uint32Array.from(this.#value),
      },
      labelSets: { ends: Uint32Array.from(this.#ends), items: Uint32Array.from(this.#items) },
    };
  }

  #labelsOfSet(set: number): number[] {
    const { attributeSets, attributes, strings } = this.#dictionary;
    return [...attributeSets.row(set)].flatMap((row) =>
      this.#labelsOf(strings.at(attributes.key.at(row)), attributes.value(row)),
    );
  }

  /** A list is a label for each of its values. */
  #labelsOf(key: string, value: AttributeValue): number[] {
    if (HEADER_KEYS.test(key)) return [];
    if (value.type === "array") return value.value.flatMap((item) => this.#labelsOf(key, item));
    return [this.#label(this.#text(key), this.#text(valueText(value)))];
  }

  #label(key: number, value: number): number {
    return this.#labels.getOrInsertComputed(`${key} ${value}`, () => {
      this.#value.push(value);
      return this.#key.push(key) - 1;
    });
  }

  #text(text: string): number {
    const short = text.slice(0, VALUE_LENGTH_MAX).toWellFormed();
    return this.#texts.getOrInsertComputed(short, () => this.#texts.size);
  }

  #intern(labels: readonly number[]): number {
    const items = [...new Set(labels)].sort((a, b) => a - b);
    return this.#setsByLabels.getOrInsertComputed(items.join(" "), () => {
      this.#items.push(...items);
      return this.#ends.push(this.#items.length) - 1;
    });
  }
}
