import { type AttributeValue, valueText } from "../attribute-value.ts";
import type { Dictionary } from "../dictionary.ts";
import { frameTypeOf } from "../text/frames.ts";
import { attributesOfSet } from "./attributes.ts";
import { FRAME_TYPE, frameTypesText } from "./frame-types.ts";
import { type Attribute, labelTextKey, valueNote } from "./notes.ts";
import type { SampleTable } from "./sample-table.ts";
import type { StringIndex } from "./string-index.ts";
import { valueToJson } from "./value-json.ts";

/** A label as it is written: texts by their index in the file. */
export interface Label {
  readonly key: number;
  readonly str: number;
  readonly num: bigint;
  readonly unit: number;
}

export const TRACE_ID = "trace_id";
export const SPAN_ID = "span_id";

/**
 * Makes the labels of samples: the attributes of the resource, those of the sample, the link,
 * and the frame types that do not follow from the mappings.
 *
 * A label's key is the attribute's. Where two attributes would have the same, the later in
 * that order gets another, and `renamed` says so.
 */
export class LabelMaker {
  /** Of the labels made so far and to be made, those of resources. */
  readonly resourceKeys: string[];
  /** Attribute keys by the label that stands for them, for those that differ. */
  readonly renamed: Map<string, string> = new Map();
  readonly hasLinks: boolean;
  readonly hasFrameTypes: boolean;
  readonly #dictionary: Dictionary;
  readonly #samples: SampleTable;
  readonly #strings: StringIndex;
  readonly #derivedTypeOf: (location: number) => string;
  readonly #resourceLabels = new Map<number, readonly Label[]>();
  readonly #sampleLabels = new Map<number, readonly Label[]>();
  readonly #linkLabels = new Map<number, readonly Label[]>();
  readonly #frameLabels = new Map<number, readonly Label[]>();
  /** By location, once it was asked for. */
  readonly #impliedTypes: (boolean | undefined)[] = [];
  readonly #valueNotes = new Map<string, string>();
  /** What each text of a key stands for: a note says so for all labels that have both. */
  readonly #valueOfText = new Map<string, string>();
  readonly #taken = new Set<string>();
  readonly #resourceNames = new Map<string, string>();
  readonly #sampleNames = new Map<string, string>();

  /** @param derivedTypeOf  the frame type that a location's mapping implies */
  constructor(
    dictionary: Dictionary,
    samples: SampleTable,
    strings: StringIndex,
    derivedTypeOf: (location: number) => string,
  ) {
    this.#strings = strings;
    this.#dictionary = dictionary;
    this.#samples = samples;
    this.#derivedTypeOf = derivedTypeOf;
    this.hasLinks = this.#anyLink();
    this.hasFrameTypes = this.#anyFrameType();
    this.#nameLabels();
    this.resourceKeys = [...this.#resourceNames.values()];
  }

  /** Calls `write` with each label of a row of the sample table. */
  forEachLabel(row: number, write: (label: Label) => void): void {
    const { resource, attributeSet, link, stack } = this.#samples;
    for (const label of this.#ofResource(resource.at(row))) write(label);
    for (const label of this.#ofAttributeSet(attributeSet.at(row))) write(label);
    if (this.hasLinks) for (const label of this.#ofLink(link.at(row))) write(label);
    if (this.hasFrameTypes) for (const label of this.#ofStack(stack.at(row))) write(label);
  }

  /** Notes on the labels made so far whose text does not say what the value was. */
  valueNotes(): string[] {
    return [...this.#valueNotes.values()];
  }

  #anyLink(): boolean {
    const { links } = this.#dictionary;
    const { link } = this.#samples;
    for (let row = 0; row < link.length; row++) {
      if (links.traceId(link.at(row)) !== "" || links.spanId(link.at(row)) !== "") return true;
    }
    return false;
  }

  #anyFrameType(): boolean {
    const { locations } = this.#dictionary;
    for (let location = 0; location < locations.length; location++) {
      if (frameTypeOf(this.#dictionary, location) !== "") return true;
    }
    return false;
  }

  /** Names every label before the first is made, so that equal keys have equal labels. */
  #nameLabels(): void {
    const taken = this.#taken;
    if (this.hasLinks) taken.add(TRACE_ID).add(SPAN_ID);
    if (this.hasFrameTypes) taken.add(FRAME_TYPE);
    for (const resource of this.#samples.resources) {
      for (const { key } of resource.attributes) this.#name(this.#resourceNames, key, taken);
    }
    for (const name of this.#resourceNames.values()) taken.add(name);
    for (const attributeSet of new Set(this.#samples.attributeSet.data)) {
      for (const { key } of attributesOfSet(this.#dictionary, attributeSet)) {
        this.#name(this.#sampleNames, key, taken);
      }
    }
    for (const name of this.#sampleNames.values()) taken.add(name);
  }

  #name(names: Map<string, string>, key: string, taken: ReadonlySet<string>): void {
    if (names.has(key)) return;
    let name = key;
    while (taken.has(name) || this.renamed.has(name)) name = `attribute.${name}`;
    names.set(key, name);
    if (name !== key) this.renamed.set(name, key);
  }

  #ofResource(resource: number): readonly Label[] {
    return this.#resourceLabels.getOrInsertComputed(resource, () =>
      (this.#samples.resources[resource]?.attributes ?? []).flatMap(({ key, value }) =>
        this.#labelsOf(this.#resourceNames, { key, value, unit: "" }),
      ),
    );
  }

  #ofAttributeSet(attributeSet: number): readonly Label[] {
    return this.#sampleLabels.getOrInsertComputed(attributeSet, () =>
      attributesOfSet(this.#dictionary, attributeSet).flatMap((attribute) =>
        this.#labelsOf(this.#sampleNames, attribute),
      ),
    );
  }

  #ofLink(link: number): readonly Label[] {
    return this.#linkLabels.getOrInsertComputed(link, () => {
      const traceId = this.#dictionary.links.traceId(link);
      const spanId = this.#dictionary.links.spanId(link);
      return [
        ...(traceId === "" ? [] : [this.#label(TRACE_ID, traceId, 0n, "")]),
        ...(spanId === "" ? [] : [this.#label(SPAN_ID, spanId, 0n, "")]),
      ];
    });
  }

  #ofStack(stack: number): readonly Label[] {
    return this.#frameLabels.getOrInsertComputed(stack, () => {
      const { stacks } = this.#dictionary;
      let isImplied = true;
      for (let place = stacks.start(stack); isImplied && place < stacks.end(stack); place++) {
        isImplied = this.#isTypeImplied(stacks.item(place));
      }
      if (isImplied) return NO_LABELS;
      const types = Array.from(stacks.row(stack), (each) => frameTypeOf(this.#dictionary, each));
      return [this.#label(FRAME_TYPE, frameTypesText(types), 0n, "")];
    });
  }

  /** Stacks share most of their locations. */
  #isTypeImplied(location: number): boolean {
    let isImplied = this.#impliedTypes[location];
    if (isImplied === undefined) {
      isImplied = this.#derivedTypeOf(location) === frameTypeOf(this.#dictionary, location);
      this.#impliedTypes[location] = isImplied;
    }
    return isImplied;
  }

  #labelsOf(names: ReadonlyMap<string, string>, attribute: Attribute): Label[] {
    const { value, unit } = attribute;
    const key = this.#keyFor(names, attribute);
    if (value.type === "array" && isPlainList(value.value)) {
      return value.value.map((item) => this.#plainLabel(key, item, unit));
    }
    if (value.type !== "string" && value.type !== "int") {
      const text = valueText(value);
      const textKey = labelTextKey(key, text);
      this.#valueNotes.getOrInsertComputed(textKey, () => valueNote(key, text, value));
    }
    return [this.#plainLabel(key, value, unit)];
  }

  /**
   * The label's name: where its text stands for a value of another type already, as `true` may be
   * a text and a boolean, it is another one.
   */
  #keyFor(names: ReadonlyMap<string, string>, attribute: Attribute): string {
    const usual = names.get(attribute.key) ?? attribute.key;
    const meanings = textMeanings(attribute.value);
    let name = usual;
    const isOfResource = names === this.#resourceNames;
    const isOurs = (alias: string): boolean =>
      this.renamed.get(alias) === attribute.key &&
      this.resourceKeys.includes(alias) === isOfResource;
    const isFree = (): boolean => name === usual || !this.#taken.has(name) || isOurs(name);
    while (!this.#canMean(name, meanings) || !isFree()) name = `attribute.${name}`;
    for (const [text, meaning] of meanings) {
      this.#valueOfText.set(labelTextKey(name, text), meaning);
    }
    if (name === usual || this.renamed.has(name)) return name;
    this.renamed.set(name, attribute.key);
    this.#taken.add(name);
    if (isOfResource) this.resourceKeys.push(name);
    return name;
  }

  #canMean(name: string, meanings: readonly (readonly [string, string])[]): boolean {
    return meanings.every(([text, meaning]) => {
      const known = this.#valueOfText.get(labelTextKey(name, text));
      return known === undefined || known === meaning;
    });
  }

  /**
   * Readers drop a label that has neither text nor number nor unit. An integer 0 therefore
   * gets the unit that they show for numbers without one: the label's key.
   */
  #plainLabel(key: string, value: AttributeValue, unit: string): Label {
    if (value.type !== "int") return this.#label(key, valueText(value), 0n, unit);
    return this.#label(key, "", value.value, value.value === 0n && unit === "" ? key : unit);
  }

  #label(key: string, str: string, num: bigint, unit: string): Label {
    const strings = this.#strings;
    return {
      key: strings.ofText(key),
      str: strings.ofText(str),
      num,
      unit: strings.ofText(unit),
    };
  }
}

/** The texts of a value's labels, and what value each is; an integer has none. */
function textMeanings(value: AttributeValue): readonly (readonly [string, string])[] {
  if (value.type === "int") return [];
  if (value.type === "string") return [[value.value, PLAIN_TEXT]];
  if (value.type === "array" && isPlainList(value.value)) {
    return value.value.flatMap(textMeanings);
  }
  return [[valueText(value), JSON.stringify(valueToJson(value))]];
}

const PLAIN_TEXT = "";

const NO_LABELS: readonly Label[] = [];

/** A list that several labels of one key say whole. */
function isPlainList(items: readonly AttributeValue[]): boolean {
  return items.length > 1 && items.every(({ type }) => type === "string" || type === "int");
}
