import * as v from "valibot";
import { formatDuration, parseDuration } from "./duration.ts";
import type { AnyField, Field, FieldInfo, FieldKind, Fields, Infer, Support } from "./field.ts";
import { Secret } from "./secret.ts";

export type { Field, Infer } from "./field.ts";

/** Elements of one list or map; a configuration is written by people. */
export const ELEMENTS_MAX = 10_000;

interface Documented {
  readonly doc: string;
  readonly support?: Support;
}

interface WithDefault<Value> extends Documented {
  readonly default: Value;
}

interface Required extends Documented {
  readonly required: true;
}

type Bounds = { readonly min?: number; readonly max?: number; readonly unit?: string };

/** Text; a number or boolean in its place is taken as it was written. */
export function text(options: WithDefault<string> | Required): Field<string>;
export function text(options: Documented): Field<string | undefined>;
export function text(options: Documented): Field<string | undefined> {
  return field("text", options, v.string("must be text"));
}

/** Text that is never printed. */
export function secret(options: Documented): Field<Secret | undefined> {
  const schema = v.pipe(
    v.string("must be text"),
    v.transform((plain) => new Secret(plain)),
  );
  return field("secret", options, schema);
}

export function integer(options: Bounds & (WithDefault<number> | Required)): Field<number>;
export function integer(options: Bounds & Documented): Field<number | undefined>;
export function integer(options: Bounds & Documented): Field<number | undefined> {
  const fits = (value: unknown): boolean => Number.isSafeInteger(value) && isWithin(value, options);
  const schema = v.custom<number>(fits, `must be a whole number${rangeText(options)}`);
  return field("integer", options, schema);
}

export function number(options: Bounds & (WithDefault<number> | Required)): Field<number>;
export function number(options: Bounds & Documented): Field<number | undefined>;
export function number(options: Bounds & Documented): Field<number | undefined> {
  const fits = (value: unknown): boolean => Number.isFinite(value) && isWithin(value, options);
  const schema = v.custom<number>(fits, `must be a number${rangeText(options)}`);
  return field("number", options, schema);
}

export function boolean(options: WithDefault<boolean>): Field<boolean>;
export function boolean(options: Documented): Field<boolean | undefined>;
export function boolean(options: Documented): Field<boolean | undefined> {
  return field("boolean", options, v.boolean("must be true or false"));
}

type DurationBounds = { readonly min?: string; readonly max?: string };

/** A Go duration, as "1m30s"; milliseconds once checked. 0 is also taken as a number. */
export function duration(options: DurationBounds & (WithDefault<string> | Required)): Field<number>;
export function duration(options: DurationBounds & Documented): Field<number | undefined>;
export function duration(options: DurationBounds & Documented): Field<number | undefined> {
  const bounds = {
    min: options.min === undefined ? 0 : durationOf(options.min),
    ...(options.max !== undefined && { max: durationOf(options.max) }),
  };
  const read = (value: unknown): number | undefined => {
    if (value === 0) return 0;
    return typeof value === "string" ? parseDuration(value) : undefined;
  };
  const message = `must be a duration such as 5s or 1m30s${rangeText(bounds, formatDuration)}`;
  const schema = v.pipe(
    v.custom<unknown>((value) => isWithin(read(value), bounds), message),
    v.transform((value) => read(value) ?? 0),
  );
  const { min, max, ...rest } = options;
  return field("duration", { ...rest, ...bounds }, schema);
}

/** One of a few words; `Detailed` is as good as `detailed`, as it is for the Collector. */
export function choice<const Word extends string>(
  words: readonly Word[],
  options: WithDefault<NoInfer<Word>> | Required,
): Field<Word> {
  const wordOf = (value: unknown): Word | undefined =>
    words.find((word) => word.toLowerCase() === String(value).toLowerCase());
  const schema = v.pipe(
    v.custom<unknown>(
      (value) => wordOf(value) !== undefined,
      `must be one of ${words.map(quoted).join(", ")}`,
    ),
    v.transform((value) => wordOf(value) as Word),
  );
  return field("choice", { ...options, choices: words }, schema) as Field<Word>;
}

interface ListOptions extends Documented {
  readonly minLength?: number;
}

/** A list; empty when it is not given. */
export function list<Item extends AnyField>(
  item: Item,
  options: ListOptions & { readonly default?: readonly unknown[] },
): Field<readonly Infer<Item>[]> {
  const withDefault = { ...options, default: options.default ?? [] };
  return optionalList(item, withDefault) as Field<readonly Infer<Item>[]>;
}

/** A list for which not given is something else than empty. */
export function optionalList<Item extends AnyField>(
  item: Item,
  { minLength = 0, ...options }: ListOptions,
): Field<readonly Infer<Item>[] | undefined> {
  const schema = v.pipe(
    v.array(item.schema, "must be a list"),
    v.minLength(minLength, `must name at least ${minLength}`),
    v.maxLength(ELEMENTS_MAX, `must have at most ${ELEMENTS_MAX} elements`),
  );
  return field("list", { ...options, item }, schema) as Field<readonly Infer<Item>[] | undefined>;
}

/** A map with keys of the user's choice; empty when it is not given. */
export function map<Item extends AnyField>(
  item: Item,
  options: Documented & { readonly alsoPairs?: boolean },
): Field<ReadonlyMap<string, Infer<Item>>> {
  const schema = v.pipe(
    v.unknown(),
    v.check(isPlainMap, "must be a map of keys to values"),
    v.record(v.string(), item.schema),
    v.transform((record) => Object.entries(record)),
    v.maxLength(ELEMENTS_MAX, `must have at most ${ELEMENTS_MAX} keys`),
    v.transform((entries) => new Map(entries as [string, Infer<Item>][])),
  );
  return field("map", { ...options, default: {}, item }, schema) as Field<
    ReadonlyMap<string, Infer<Item>>
  >;
}

/** Known keys; `null` in its place means all defaults. */
export function section<const F extends Fields>(fields: F, options: Documented): Field<Checked<F>> {
  return field("section", { ...options, default: {}, fields }, sectionSchema(fields)) as Field<
    Checked<F>
  >;
}

/** A section that is off unless it is written, if only as `key:`. */
export function optionalSection<const F extends Fields>(
  fields: F,
  options: Documented,
): Field<Checked<F> | undefined> {
  const { info, schema } = field("section", { ...options, fields }, sectionSchema(fields));
  const written = v.transform((value: unknown) => (value === null ? {} : value));
  return { info, schema: v.pipe(v.unknown(), written, schema) } as Field<Checked<F> | undefined>;
}

/** The whole configuration of a component. */
export function object<const F extends Fields>(fields: F): Field<Checked<F>> {
  return section(fields, { doc: "" });
}

/** Anything: for keys whose content is checked elsewhere, or not acted on. */
export function any(options: Documented): Field<unknown> {
  return field("any", options, v.unknown());
}

/** What a section is once it is checked: every key is there, an unset one is undefined. */
export type Checked<F extends Fields> = { readonly [Key in keyof F]: Infer<F[Key]> };

function field<Value>(
  kind: FieldKind,
  options: Partial<FieldInfo> & { readonly required?: true },
  schema: v.GenericSchema<never, Value> | v.GenericSchema<unknown, Value>,
): Field<Value | undefined> {
  const { required, ...info } = options;
  const isRequired = required === true;
  const given = schema as v.GenericSchema<unknown, Value>;
  return {
    info: { doc: "", ...info, kind, isRequired },
    schema: v.pipe(
      v.unknown(),
      // A null where a value is wanted is as good as nothing: `key:`, or an unset variable.
      v.transform((value) => value ?? options.default),
      v.check((value) => !isRequired || value !== undefined, "must be set"),
      v.optional(given),
    ),
  };
}

function sectionSchema(fields: Fields): v.GenericSchema<unknown, unknown> {
  const schemas = Object.entries(fields).map(([key, { schema }]) => [key, schema] as const);
  return v.pipe(
    v.unknown(),
    v.check(isPlainMap, "must be a map of keys to values"),
    v.transform((value) => value as Record<string, unknown>),
    // Every key is there when its schema is asked, so that it can fill in a default.
    v.transform((value) => Object.fromEntries(schemas.map(([key]) => [key, value[key]]))),
    v.object(Object.fromEntries(schemas)),
  );
}

function isPlainMap(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isWithin(value: unknown, { min, max }: { min?: number; max?: number }): boolean {
  if (typeof value !== "number") return false;
  return value >= (min ?? -Infinity) && value <= (max ?? Infinity);
}

function rangeText(
  { min, max }: { readonly min?: number; readonly max?: number },
  print: (value: number) => string = String,
): string {
  if (min !== undefined && max !== undefined) return ` from ${print(min)} to ${print(max)}`;
  if (min !== undefined && min !== 0) return ` of at least ${print(min)}`;
  if (max !== undefined) return ` of at most ${print(max)}`;
  return "";
}

function durationOf(literal: string): number {
  const milliseconds = parseDuration(literal);
  if (milliseconds === undefined) throw new Error(`${literal} is no duration`);
  return milliseconds;
}

function quoted(word: string): string {
  return `"${word}"`;
}
