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
  const writer = new SchemaWriter(components);
  const definitions = components.map(
    ({ kind, type, config }) => [definitionName(kind, type), writer.schemaOf(config)] as const,
  );
  const bodies = Object.entries(SECTIONS).map(
    ([section, kind]) =>
      [section, bodiesOf(components.filter((one) => one.kind === kind))] as const,
  );
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "obsforge configuration",
    type: "object",
    properties: { ...Object.fromEntries(bodies), service: writer.serviceSchema(service) },
    required: ["service"],
    additionalProperties: false,
    $defs: {
      reference: REFERENCE,
      ...writer.sharedDefinitions(),
      ...Object.fromEntries(definitions),
    },
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

/** Writes fields; a section that several components have in common is written once. */
class SchemaWriter {
  /** By field: its name below $defs. */
  readonly #shared = new Map<AnyField, string>();

  constructor(components: readonly DescribedComponent[]) {
    const seen = new Set<AnyField>();
    for (const { config } of components) this.#findShared(config, seen);
  }

  #findShared({ info }: AnyField, seen: Set<AnyField>): void {
    for (const [key, field] of Object.entries(info.fields ?? {})) {
      if (field.info.kind !== "section") continue;
      if (seen.has(field)) this.#share(field, key);
      else this.#findShared(field, seen);
      seen.add(field);
    }
  }

  #share(field: AnyField, key: string): void {
    if (this.#shared.has(field)) return;
    const names = [...this.#shared.values()];
    const alike = names.filter((name) => name.split(".")[0] === key).length;
    this.#shared.set(field, alike === 0 ? key : `${key}.${alike + 1}`);
  }

  sharedDefinitions(): JsonSchema {
    const entries = Array.from(this.#shared, ([field, name]) => [name, this.#written(field)]);
    return Object.fromEntries(entries) as JsonSchema;
  }

  schemaOf(field: AnyField): JsonSchema {
    const name = this.#shared.get(field);
    return name === undefined ? this.#written(field) : { $ref: `#/$defs/${name}` };
  }

  #written({ info }: AnyField): JsonSchema {
    const said = annotations(info);
    if (info.support?.level === "refused") return orReference({ ...said, ...onlyDefault(info) });
    const described = { ...said, ...this.#typeOf(info) };
    // A reference is text, which these take already.
    return isText(info) || info.kind === "any" ? described : orReference(described);
  }

  /** Pipelines are named after what they carry. */
  serviceSchema(service: AnyField): JsonSchema {
    const { pipelines, ...others } = service.info.fields ?? {};
    if (pipelines?.info.item === undefined) return this.schemaOf(service);
    const section = this.#sectionSchema({ ...service.info, fields: others });
    const byName = orReference({
      description: pipelines.info.doc,
      type: "object",
      patternProperties: { [`^profiles${NAME_SUFFIX}`]: this.schemaOf(pipelines.info.item) },
      additionalProperties: false,
      minProperties: 1,
    });
    const properties = { ...(section["properties"] as JsonSchema), pipelines: byName };
    return orReference({ ...section, type: "object", properties, required: ["pipelines"] });
  }

  #typeOf(info: FieldInfo): JsonSchema {
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
        return {
          anyOf: [{ type: "string", pattern: DURATION }, { enum: [0, ...nothingOf(info)] }],
        };
      case "choice":
        return { enum: [...(info.choices ?? []), ...nothingOf(info)] };
      case "list":
        return {
          type: ["array", ...nothing],
          ...(info.item && { items: this.schemaOf(info.item) }),
        };
      case "map":
        return this.#mapSchema(info, nothing);
      case "section":
        return this.#sectionSchema(info);
      case "any":
        return {};
    }
  }

  #mapSchema({ item, alsoPairs }: FieldInfo, nothing: readonly string[]): JsonSchema {
    const value = item === undefined ? {} : this.schemaOf(item);
    const map = { type: ["object", ...nothing], additionalProperties: value };
    if (!alsoPairs) return map;
    const pair = {
      type: "object",
      properties: { name: { type: "string" }, value },
      required: ["name"],
      additionalProperties: false,
    };
    return { anyOf: [map, { type: "array", items: pair }] };
  }

  #sectionSchema({ fields = {} }: FieldInfo): JsonSchema {
    const entries = Object.entries(fields);
    const required = entries.filter(([, { info }]) => info.isRequired).map(([key]) => key);
    // Nothing at all means all defaults, which is no answer to a key that must be set.
    const canBeNull = required.length === 0;
    return {
      type: canBeNull ? ["object", "null"] : "object",
      properties: Object.fromEntries(entries.map(([key, field]) => [key, this.schemaOf(field)])),
      ...(required.length > 0 && { required }),
      additionalProperties: false,
    };
  }
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
