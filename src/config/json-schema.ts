import type { AnyField, FieldInfo } from "./field.ts";

/** A JSON schema, or a part of one: plain data. */
export type JsonSchema = { readonly [keyword: string]: unknown };

/** What a schema must know of a component. */
export interface DescribedComponent {
  readonly kind: string;
  readonly type: string;
  readonly aliases: readonly string[];
  readonly config: AnyField;
}

export interface DescribedConfiguration {
  readonly components: readonly DescribedComponent[];
  /** The key `service`. */
  readonly service: AnyField;
}

/**
 * The JSON schema (draft 2020-12) of a whole configuration as it is written, before `${env:…}`
 * and the like are replaced: such a reference is right in place of any value. Keys that have no
 * effect are marked as deprecated; of those that are refused only the default is right.
 */
export function jsonSchemaOf({ components, service }: DescribedConfiguration): JsonSchema {
  const definitions = components.map(
    ({ kind, type, config }) => [definitionName(kind, type), schemaOf(config)] as const,
  );
  const bodies = Object.entries(SECTIONS).map(
    ([section, kind]) =>
      [section, bodiesOf(components.filter((one) => one.kind === kind))] as const,
  );
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "obsforge configuration",
    type: "object",
    properties: { ...Object.fromEntries(bodies), service: serviceSchema(service) },
    required: ["service"],
    additionalProperties: false,
    $defs: { reference: REFERENCE, ...Object.fromEntries(definitions) },
  };
}

const SECTIONS = {
  receivers: "receiver",
  processors: "processor",
  exporters: "exporter",
  connectors: "connector",
  extensions: "extension",
} as const;

/** Text that the program replaces before it checks a value. */
const REFERENCE: JsonSchema = {
  description: "Replaced when the configuration is read.",
  type: "string",
  pattern: "\\$\\{[^}]+\\}",
};

const NAME_SUFFIX = "(/.+)?$";
/** Go's durations, as src/config/duration.ts reads them. */
const DURATION = "^([+]?((\\d+(\\.\\d*)?|\\.\\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h))+|[-+]?0)$";

function definitionName(kind: string, type: string): string {
  return `${kind}.${type}`;
}

function bodiesOf(components: readonly DescribedComponent[]): JsonSchema {
  const patterns = components.map(({ kind, type, aliases }) => {
    const names = [type, ...aliases];
    const pattern = names.length === 1 ? type : `(${names.join("|")})`;
    return [`^${pattern}${NAME_SUFFIX}`, { $ref: `#/$defs/${definitionName(kind, type)}` }];
  });
  const properties = Object.fromEntries(patterns) as JsonSchema;
  return orReference({
    type: ["object", "null"],
    patternProperties: properties,
    additionalProperties: false,
  });
}

/** Pipelines are named after what they carry. */
function serviceSchema(service: AnyField): JsonSchema {
  const pipelines = service.info.fields?.["pipelines"];
  if (pipelines?.info.item === undefined) return schemaOf(service);
  const { pipelines: _, ...others } = service.info.fields ?? {};
  const section = sectionSchema({ ...service.info, fields: others });
  const byName = orReference({
    description: pipelines.info.doc,
    type: "object",
    patternProperties: { [`^profiles${NAME_SUFFIX}`]: schemaOf(pipelines.info.item) },
    additionalProperties: false,
    minProperties: 1,
  });
  const properties = { ...(section["properties"] as JsonSchema), pipelines: byName };
  return orReference({ ...section, type: "object", properties, required: ["pipelines"] });
}

function schemaOf(field: AnyField): JsonSchema {
  const { info } = field;
  const described = {
    ...annotations(info),
    ...(info.support?.level !== "refused" && typeOf(info)),
  };
  if (info.support?.level === "refused") return orReference({ ...described, ...onlyDefault(info) });
  // A reference is text, which these take already.
  return isText(info) || info.kind === "any" ? described : orReference(described);
}

function annotations({ doc, default: usual, support, kind }: FieldInfo): JsonSchema {
  const effect = { ignored: "Has no effect", refused: "Cannot be honoured" };
  const said = support === undefined ? "" : `${effect[support.level]}: ${support.reason}.`;
  const description = [doc, said].filter((sentence) => sentence !== "").join(" ");
  return {
    ...(description !== "" && { description }),
    ...(usual !== undefined && kind !== "section" && { default: usual }),
    ...(support !== undefined && { deprecated: true }),
    ...(kind === "secret" && { writeOnly: true }),
  };
}

function onlyDefault({ default: usual }: FieldInfo): JsonSchema {
  return { enum: [null, ...(usual === undefined ? [] : [usual])] };
}

function typeOf(info: FieldInfo): JsonSchema {
  const nothing = info.isRequired ? [] : ["null"];
  const bounds = {
    ...(info.min !== undefined && { minimum: info.min }),
    ...(info.max !== undefined && { maximum: info.max }),
  };
  switch (info.kind) {
    case "text":
    case "secret":
      // YAML may read what is written as a number or boolean; it is taken as text.
      return { type: ["string", "number", "boolean", ...nothing] };
    case "integer":
    case "number":
      return { type: [info.kind, ...nothing], ...bounds };
    case "boolean":
      return { type: ["boolean", ...nothing] };
    case "duration":
      return { anyOf: [{ type: "string", pattern: DURATION }, { enum: [0, ...nothingOf(info)] }] };
    case "choice":
      return { enum: [...(info.choices ?? []), ...nothingOf(info)] };
    case "list":
      return { type: ["array", ...nothing], ...(info.item && { items: schemaOf(info.item) }) };
    case "map":
      return {
        type: ["object", ...nothing],
        ...(info.item && { additionalProperties: schemaOf(info.item) }),
      };
    case "section":
      return sectionSchema(info);
    case "any":
      return {};
  }
}

function sectionSchema({ fields = {}, default: usual }: FieldInfo): JsonSchema {
  const entries = Object.entries(fields);
  const required = entries.filter(([, { info }]) => info.isRequired).map(([key]) => key);
  // Nothing at all means all defaults, which is no answer to a key that must be set.
  const canBeNull = required.length === 0 || usual === undefined;
  return {
    type: canBeNull ? ["object", "null"] : "object",
    properties: Object.fromEntries(entries.map(([key, field]) => [key, schemaOf(field)])),
    ...(required.length > 0 && { required }),
    additionalProperties: false,
  };
}

function nothingOf({ isRequired }: FieldInfo): readonly null[] {
  return isRequired ? [] : [null];
}

function isText({ kind }: FieldInfo): boolean {
  return kind === "text" || kind === "secret";
}

function orReference(schema: JsonSchema): JsonSchema {
  const { description, default: usual, deprecated, writeOnly, ...checks } = schema;
  return {
    ...(description !== undefined && { description }),
    ...(usual !== undefined && { default: usual }),
    ...(deprecated !== undefined && { deprecated }),
    ...(writeOnly !== undefined && { writeOnly }),
    anyOf: [checks, { $ref: "#/$defs/reference" }],
  };
}
