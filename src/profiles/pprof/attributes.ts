import type { AttributeValue } from "../attribute-value.ts";
import { stringValue } from "../attribute-value.ts";
import type { Dictionary } from "../dictionary.ts";
import { type Attribute, attributeToJson } from "./notes.ts";

const BUILD_ID = "process.executable.build_id.";
const HAS = "pprof.mapping.has_";

/** What pprof says of a mapping beside its place and name. */
export interface MappingFields {
  readonly buildId: string;
  readonly hasFunctions: boolean;
  readonly hasFilenames: boolean;
  readonly hasLineNumbers: boolean;
  readonly hasInlineFrames: boolean;
}

/** The attributes that a mapping's fields are in OTLP. */
export function mappingAttributes(fields: MappingFields): Attribute[] {
  const attributes: Attribute[] = [];
  const { buildId } = fields;
  if (buildId !== "") {
    const kind = /^(?:[0-9a-f]{2})+$/.test(buildId) ? "gnu" : "go";
    attributes.push({ key: BUILD_ID + kind, value: stringValue(buildId), unit: "" });
  }
  const flag = (name: string, isSet: boolean): void => {
    if (isSet) attributes.push({ key: HAS + name, value: { type: "bool", value: true }, unit: "" });
  };
  flag("functions", fields.hasFunctions);
  flag("filenames", fields.hasFilenames);
  flag("line_numbers", fields.hasLineNumbers);
  flag("inline_frames", fields.hasInlineFrames);
  return attributes;
}

/**
 * The fields that a mapping's attributes are in pprof: the first build id of GNU's, Go's and
 * the hash of the file's ends.
 *
 * @param derived  the flags where no attribute says otherwise
 */
export function mappingFields(
  attributes: readonly Attribute[],
  derived: Omit<MappingFields, "buildId">,
): MappingFields {
  const values = new Map(attributes.map(({ key, value }) => [key, value]));
  const flag = (name: string, otherwise: boolean): boolean => {
    const value = values.get(HAS + name);
    return value?.type === "bool" ? value.value : otherwise;
  };
  return {
    buildId:
      textOf(values.get(`${BUILD_ID}gnu`)) ||
      textOf(values.get(`${BUILD_ID}go`)) ||
      textOf(values.get(`${BUILD_ID}htlhash`)),
    hasFunctions: flag("functions", derived.hasFunctions),
    hasFilenames: flag("filenames", derived.hasFilenames),
    hasLineNumbers: flag("line_numbers", derived.hasLineNumbers),
    hasInlineFrames: flag("inline_frames", derived.hasInlineFrames),
  };
}

/** The attributes of a set, in its order. */
export function attributesOfSet(dictionary: Dictionary, attributeSet: number): Attribute[] {
  const { attributeSets, attributes, strings } = dictionary;
  const list: Attribute[] = [];
  for (
    let place = attributeSets.start(attributeSet);
    place < attributeSets.end(attributeSet);
    place++
  ) {
    const row = attributeSets.item(place);
    list.push({
      key: strings.at(attributes.key.at(row)),
      value: attributes.value(row),
      unit: strings.at(attributes.unit.at(row)),
    });
  }
  return list;
}

/** Interns attributes as a set; returns its index. */
export function internAttributes(dictionary: Dictionary, list: readonly Attribute[]): number {
  const { attributeSets, attributes, strings } = dictionary;
  return attributeSets.intern(
    list.map(({ key, value, unit }) =>
      attributes.intern(strings.intern(key), value, strings.intern(unit)),
    ),
  );
}

/** A text that is equal for lists of the same attributes in whatever order. */
export function attributesKey(list: readonly Attribute[]): string {
  return JSON.stringify(list.map((attribute) => JSON.stringify(attributeToJson(attribute))).sort());
}

function textOf(value: AttributeValue | undefined): string {
  return value?.type === "string" ? value.value : "";
}
