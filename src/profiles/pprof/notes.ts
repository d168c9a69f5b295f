import { isCollectorError, malformed } from "../../support/errors.ts";
import type { ProfileLimits } from "../../support/limits.ts";
import type { AttributeValue, KeyValue } from "../attribute-value.ts";
import { parseJson } from "../text/json.ts";
import {
  type AttributeJson,
  intFromJson,
  isObject,
  keyValueFromJson,
  keyValueToJson,
  listFromJson,
  textFromJson,
  valueFromJson,
  valueToJson,
} from "./value-json.ts";

/**
 * What pprof has no field for stands in notes, each `<kind> <JSON>`, so that an OTLP batch that
 * was written as pprof can be read back as what it was:
 *
 *   batch {…}      once; that it is there says that this program wrote the file
 *   mapping {…}    a mapping's attributes and name, where its fields do not say them
 *   location {…}   attributes of locations, beside the frame type
 *   value {…}      the value that the text of a label stands for
 *
 * They are texts of a field of the profile that is ours alone (PROFILE_NOTE): other readers skip
 * a field that they do not know, where they would print comments above every table.
 */

/** Notes of one file: one a mapping at most, and some for its locations and labels. */
export const NOTES_MAX: number = 1 << 21;
/** Locations that one note names, so that no note grows with the file. */
export const NOTE_LOCATIONS_MAX = 4096;
/** A note may have a text twice, as a label and as a value, with every quote escaped. */
export const NOTE_STRINGS_MAX = 4;

export interface BatchNote {
  /** Labels that are attributes of the resource. */
  readonly resourceKeys?: readonly string[];
  /** Labels whose attribute has another key, taken by another label. */
  readonly renamed?: Readonly<Record<string, string>>;
  readonly resourceSchemaUrl?: string;
  readonly scopeSchemaUrl?: string;
  readonly scopeName?: string;
  readonly scopeVersion?: string;
  readonly scopeAttributes?: readonly Attribute[];
  /** The second column is the first times the period. */
  readonly cpuDerived?: boolean;
  /** Frame types follow from mappings, and from the label where it is there. */
  readonly frameTypes?: boolean;
  /** The labels trace_id and span_id are links. */
  readonly links?: boolean;
  /** Period type, its unit and the period of each column, when they are not all the same. */
  readonly periods?: readonly (readonly [string, string, number])[];
  readonly profileAttributes?: readonly Attribute[];
}

export type Attribute = KeyValue & { readonly unit: string };

export interface MappingNote {
  /** Only when the name in the file is another. */
  readonly filename?: string;
  readonly attributes: readonly Attribute[];
}

/** The notes of a file, by kind. */
export class Notes {
  /** Undefined for a file that was not written here. */
  batch: BatchNote | undefined;
  /** By mapping id in decimal. */
  readonly mappings: Map<string, MappingNote> = new Map();
  /** By location id in decimal. */
  readonly locations: Map<string, readonly Attribute[]> = new Map();
  /** By label key and text, as `labelTextKey` makes it. */
  readonly values: Map<string, AttributeValue> = new Map();
}

export function labelTextKey(key: string, text: string): string {
  return `${key.length}:${key}=${text}`;
}

export function batchNote(note: BatchNote): string {
  const { scopeAttributes = [], profileAttributes = [] } = note;
  const json = {
    ...note,
    ...(scopeAttributes.length > 0 && { scopeAttributes: scopeAttributes.map(attributeToJson) }),
    ...(profileAttributes.length > 0 && {
      profileAttributes: profileAttributes.map(attributeToJson),
    }),
  };
  return `batch ${JSON.stringify(json)}`;
}

export function mappingNote(
  id: number,
  filename: string | undefined,
  attributes: readonly Attribute[],
): string {
  const note = {
    id: String(id),
    ...(filename !== undefined && { filename }),
    attributes: attributes.map(attributeToJson),
  };
  return `mapping ${JSON.stringify(note)}`;
}

export function locationNote(ids: readonly number[], attributes: readonly Attribute[]): string {
  const note = { ids: ids.map(String), attributes: attributes.map(attributeToJson) };
  return `location ${JSON.stringify(note)}`;
}

export function valueNote(key: string, text: string, value: AttributeValue): string {
  return `value ${JSON.stringify({ key, text, value: valueToJson(value) })}`;
}

export function attributeToJson(attribute: Attribute): AttributeJson {
  const { unit } = attribute;
  return { ...keyValueToJson(attribute), ...(unit !== "" && { unit }) };
}

/**
 * Reads the notes of a file. What is none says nothing: the field may be another program's.
 *
 * @throws LIMIT_EXCEEDED  a note is nested too deep
 */
export function readNotes(texts: readonly string[], limits: ProfileLimits): Notes {
  const notes = new Notes();
  for (const [index, text] of texts.entries()) {
    try {
      readNote(notes, text, limits, `pprof, note ${index}`);
    } catch (error) {
      if (!isCollectorError(error, "INPUT_MALFORMED")) throw error;
    }
  }
  return notes;
}

function readNote(notes: Notes, note: string, limits: ProfileLimits, where: string): void {
  const space = note.indexOf(" ");
  const kind = note.slice(0, space);
  const bytes = new TextEncoder().encode(note.slice(space + 1));
  const json = parseJson(bytes, limits, where).value;
  if (!isObject(json)) throw malformed(where, "the note is not an object");
  switch (kind) {
    case "batch":
      notes.batch = readBatch(json, where);
      return;
    case "mapping":
      notes.mappings.set(textFromJson(json["id"], where), {
        ...(json["filename"] !== undefined && {
          filename: textFromJson(json["filename"], where),
        }),
        attributes: listFromJson(json["attributes"], where, keyValueFromJson),
      });
      return;
    case "location": {
      const attributes = listFromJson(json["attributes"], where, keyValueFromJson);
      for (const id of listFromJson(json["ids"], where, textFromJson)) {
        notes.locations.set(id, attributes);
      }
      return;
    }
    case "value":
      notes.values.set(
        labelTextKey(textFromJson(json["key"], where), textFromJson(json["text"], where)),
        valueFromJson(json["value"], where),
      );
      return;
    default:
      throw malformed(where, `there is no note of the kind ${JSON.stringify(kind)}`);
  }
}

function readBatch(json: Record<string, unknown>, where: string): BatchNote {
  const text = (key: string): string =>
    json[key] === undefined ? "" : textFromJson(json[key], where);
  const list = <Item>(key: string, item: (json: unknown, where: string) => Item): Item[] =>
    json[key] === undefined ? [] : listFromJson(json[key], where, item);
  return {
    resourceKeys: list("resourceKeys", textFromJson),
    renamed: readRenamed(json["renamed"], where),
    resourceSchemaUrl: text("resourceSchemaUrl"),
    scopeSchemaUrl: text("scopeSchemaUrl"),
    scopeName: text("scopeName"),
    scopeVersion: text("scopeVersion"),
    scopeAttributes: list("scopeAttributes", keyValueFromJson),
    profileAttributes: list("profileAttributes", keyValueFromJson),
    cpuDerived: json["cpuDerived"] === true,
    frameTypes: json["frameTypes"] === true,
    links: json["links"] === true,
    periods: list("periods", periodFromJson),
  };
}

function periodFromJson(json: unknown, where: string): readonly [string, string, number] {
  const [type, unit, period] = listFromJson(json, where, (item) => item);
  const value = Number(intFromJson(String(period), where));
  if (!Number.isSafeInteger(value)) throw malformed(where, "a period is out of range");
  return [textFromJson(type, where), textFromJson(unit, where), value];
}

function readRenamed(json: unknown, where: string): Record<string, string> {
  const renamed: Record<string, string> = Object.create(null);
  if (json === undefined) return renamed;
  if (!isObject(json)) throw malformed(where, "renamed labels are not an object");
  for (const [label, key] of Object.entries(json)) renamed[label] = textFromJson(key, where);
  return renamed;
}
