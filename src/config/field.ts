import type { GenericSchema } from "valibot";

/**
 * One place of a configuration: what a user must know of it, and the schema that checks a value
 * and fills in defaults. Option tables, JSON schema, redaction and messages come from it.
 */
export interface Field<Value> {
  readonly info: FieldInfo;
  readonly schema: GenericSchema<unknown, Value>;
}

export type AnyField = Field<unknown>;

/** What a checked value of the field is. Durations are milliseconds. */
export type Infer<F> = F extends Field<infer Value> ? Value : never;

export interface FieldInfo {
  readonly kind: FieldKind;
  readonly doc: string;
  /** As a user would write it; absent for a field that is unset, or must be set. */
  readonly default?: unknown;
  readonly isRequired: boolean;
  readonly unit?: string;
  /** Of an integer or number as it is, of a duration in milliseconds. */
  readonly min?: number;
  readonly max?: number;
  readonly choices?: readonly string[];
  /** Of a list or map: what its elements are. */
  readonly item?: AnyField;
  /** Of a map: a list of `{ name, value }` is taken too, as the Collector writes headers. */
  readonly alsoPairs?: boolean;
  /** Of a section: its keys. */
  readonly fields?: Fields;
  readonly support?: Support;
}

export type Fields = Readonly<Record<string, AnyField>>;

export type FieldKind =
  | "text"
  | "secret"
  | "integer"
  | "number"
  | "boolean"
  | "duration"
  | "choice"
  | "list"
  | "map"
  | "section"
  | "any";

/**
 * A key that others know and this program does not act on. `ignored`: another value than the
 * default is said in a warning. `refused`: it is an error, because ignoring it would do harm.
 */
export interface Support {
  readonly level: "ignored" | "refused";
  /** Ends the sentence "… has no effect: " or "… cannot be honoured: ". */
  readonly reason: string;
}
