import { isDeepStrictEqual } from "node:util";
import type { JsonSchema } from "../../src/config/json-schema.ts";

/**
 * What is wrong with a value by a schema, each with its path; the keywords that the program's
 * own schema uses, and no others.
 *
 * @throws  on a keyword that it does not know, so that none passes unseen
 */
export function schemaFaults(root: JsonSchema, value: unknown): string[] {
  return [...faultsAt(root, root, { value, path: "" })];
}

interface Place {
  readonly value: unknown;
  readonly path: string;
}

const ANNOTATIONS = [
  "$schema",
  "title",
  "description",
  "default",
  "deprecated",
  "writeOnly",
  "$defs",
];

function* faultsAt(root: JsonSchema, schema: JsonSchema, place: Place): Generator<string> {
  for (const [keyword, argument] of Object.entries(schema)) {
    if (ANNOTATIONS.includes(keyword)) continue;
    const check = keywords[keyword];
    if (check === undefined) throw new Error(`the keyword ${keyword} is not known here`);
    yield* check({ root, schema, argument, ...place });
  }
}

interface Check extends Place {
  readonly root: JsonSchema;
  readonly schema: JsonSchema;
  readonly argument: unknown;
}

type Keyword = (check: Check) => Iterable<string>;

const keywords: Readonly<Record<string, Keyword>> = {
  $ref: ({ root, argument, value, path }) => {
    const name = String(argument).replace("#/$defs/", "");
    const target = (root["$defs"] as Record<string, JsonSchema>)[name];
    if (target === undefined) throw new Error(`${argument} leads nowhere`);
    return faultsAt(root, target, { value, path });
  },
  type: ({ argument, value, path }) =>
    faultUnless([argument].flat().includes(typeOf(value)) || isIntegral(argument, value), path),
  enum: ({ argument, value, path }) =>
    faultUnless(
      (argument as unknown[]).some((one) => isDeepStrictEqual(one, value)),
      path,
    ),
  minimum: ({ argument, value, path }) =>
    faultUnless(typeof value !== "number" || value >= Number(argument), path),
  maximum: ({ argument, value, path }) =>
    faultUnless(typeof value !== "number" || value <= Number(argument), path),
  pattern: ({ argument, value, path }) =>
    faultUnless(typeof value !== "string" || new RegExp(String(argument), "u").test(value), path),
  required: ({ argument, value, path }) =>
    (argument as string[])
      .filter((key) => isMap(value) && !(key in value))
      .map((key) => `${path}/${key} is missing`),
  minProperties: ({ argument, value, path }) =>
    faultUnless(!isMap(value) || Object.keys(value).length >= Number(argument), path),
  *items({ root, argument, value, path }) {
    if (!Array.isArray(value)) return;
    for (const [index, element] of value.entries()) {
      yield* faultsAt(root, argument as JsonSchema, { value: element, path: `${path}/${index}` });
    }
  },
  *properties({ root, argument, value, path }) {
    if (!isMap(value)) return;
    for (const [key, schema] of Object.entries(argument as Record<string, JsonSchema>)) {
      if (!(key in value)) continue;
      yield* faultsAt(root, schema, { value: value[key], path: `${path}/${key}` });
    }
  },
  *patternProperties({ root, argument, value, path }) {
    if (!isMap(value)) return;
    for (const [pattern, schema] of Object.entries(argument as Record<string, JsonSchema>)) {
      for (const key of Object.keys(value).filter((name) => new RegExp(pattern).test(name))) {
        yield* faultsAt(root, schema, { value: value[key], path: `${path}/${key}` });
      }
    }
  },
  *additionalProperties({ root, schema, argument, value, path }) {
    if (!isMap(value)) return;
    const patterns = Object.keys((schema["patternProperties"] ?? {}) as object);
    const known = Object.keys((schema["properties"] ?? {}) as object);
    for (const [key, element] of Object.entries(value)) {
      if (known.includes(key) || patterns.some((one) => new RegExp(one).test(key))) continue;
      const place = { value: element, path: `${path}/${key}` };
      if (argument === false) yield `${place.path} is not known`;
      else yield* faultsAt(root, argument as JsonSchema, place);
    }
  },
  anyOf: ({ root, argument, value, path }) => {
    const faults = (argument as JsonSchema[]).map((one) => [
      ...faultsAt(root, one, { value, path }),
    ]);
    // The first alternative is the usual one: what it says helps most.
    return faults.some((found) => found.length === 0) ? [] : (faults[0] ?? []);
  },
};

function faultUnless(isRight: boolean, path: string): string[] {
  return isRight ? [] : [`${path} is wrong`];
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function isIntegral(types: unknown, value: unknown): boolean {
  return [types].flat().includes("integer") && Number.isInteger(value);
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeOf(value) === "object";
}
