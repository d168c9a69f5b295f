import * as v from "valibot";
import { CollectorError } from "../support/errors.ts";
import { nearestName } from "../support/nearest-name.ts";
import { parseDuration } from "./duration.ts";
import type { AnyField, Field, FieldInfo, FieldKind, Fields } from "./field.ts";

/** Keys from the root of a configuration to one value. */
export type ConfigPath = readonly (string | number)[];

/** Where the values of a configuration were written. */
export interface ConfigSource {
  /** "agent.yaml:12", for the value at a path or the nearest one around it. */
  where(path: ConfigPath): string;
  /** A scalar as it was written, `0123` for one that YAML reads as a number. */
  originalText(path: ConfigPath): string | undefined;
}

/** One thing that is wrong, or has no effect. */
export interface Remark {
  readonly path: ConfigPath;
  readonly message: string;
}

export interface CheckOptions<Value> {
  readonly field: Field<Value>;
  readonly value: unknown;
  /** Where `value` stands in the configuration. */
  readonly path: ConfigPath;
  readonly source: ConfigSource;
}

export type CheckResult<Value> = {
  readonly faults: readonly Remark[];
  readonly warnings: readonly Remark[];
  /** Absent when there are faults. */
  readonly config?: Value;
};

/** A configuration that code has written: there is no file to point to. */
export const codeSource: ConfigSource = {
  where: () => "configuration",
  originalText: () => undefined,
};

/** Checks a value and fills in defaults. Reports every fault, not only the first. */
export function check<Value>(options: CheckOptions<Value>): CheckResult<Value> {
  const walk = new Walk(options);
  const value = walk.prepare(options.field, options.value, options.path);
  const result = v.safeParse(options.field.schema, value);
  const { faults, warnings } = walk;
  for (const issue of result.issues ?? []) {
    const path = [...options.path, ...(issue.path ?? []).map(({ key }) => key as string | number)];
    faults.push({ path, message: sentence(path, issue.message, issue.input, options) });
  }
  if (faults.length > 0 || !result.success) return { faults, warnings };
  return { faults, warnings, config: result.output };
}

/**
 * The same for a value that code has written.
 *
 * @throws CollectorError CONFIG_INVALID  with every fault
 */
export function checked<Value>(field: Field<Value>, value: unknown = {}): Value {
  const result = check({ field, value, path: [], source: codeSource });
  if (result.config === undefined) throw configError(result.faults, codeSource);
  return result.config;
}

/** One error for all faults, each on a line of its own that begins with its place. */
export function configError(faults: readonly Remark[], source: ConfigSource): CollectorError {
  const lines = faults.map(({ path, message }) => `${source.where(path)}: ${message}`);
  return new CollectorError("CONFIG_INVALID", lines.join("\n"));
}

/** As the Collector writes a path: `exporters::otlp_http::endpoint`. */
export function pathText(path: ConfigPath): string {
  return path.join("::");
}

/** Goes over the value with its fields, before the schemas see it. */
class Walk {
  readonly faults: Remark[] = [];
  readonly warnings: Remark[] = [];
  readonly #source: ConfigSource;

  constructor({ source }: { readonly source: ConfigSource }) {
    this.#source = source;
  }

  /** The value with texts as they were written. */
  prepare(field: AnyField, value: unknown, path: ConfigPath): unknown {
    const { kind, support, fields, item } = field.info;
    if (support !== undefined) this.#judge(field.info, value, path);
    if (kind === "text" || kind === "secret" || kind === "choice") {
      return this.#asText(kind, value, path);
    }
    if (value === null || value === undefined) return value;
    if (kind === "section" && fields !== undefined && isMap(value)) {
      return this.#section(fields, value, path);
    }
    if (kind === "list" && item !== undefined && Array.isArray(value)) {
      return value.map((element, index) => this.prepare(item, element, [...path, index]));
    }
    if (field.info.alsoPairs && item !== undefined && Array.isArray(value)) {
      return this.#pairs(item, value, path);
    }
    if (kind === "map" && item !== undefined && isMap(value)) {
      return nullPrototype(
        Object.entries(value).map(([key, element]) => [
          key,
          this.prepare(item, element, [...path, key]),
        ]),
      );
    }
    return value;
  }

  /** A list of `{ name, value }` as the map that it means. */
  #pairs(item: AnyField, pairs: readonly unknown[], path: ConfigPath): unknown {
    const found = new Map<string, unknown>();
    for (const [index, pair] of pairs.entries()) {
      const place = [...path, index];
      const name = isMap(pair) ? pair["name"] : undefined;
      if (!isMap(pair) || typeof name !== "string") {
        const message = `${pathText(place)} must be a map with name and value`;
        this.faults.push({ path: place, message });
      } else if (found.has(name)) {
        const message = `${pathText(place)} has the name of one before it`;
        this.faults.push({ path: place, message });
      } else found.set(name, this.prepare(item, pair["value"], [...place, "value"]));
    }
    return nullPrototype([...found]);
  }

  #section(fields: Fields, value: Record<string, unknown>, path: ConfigPath): unknown {
    const entries = Object.entries(value).map(([key, element]): [string, unknown] => {
      const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
      if (field !== undefined) return [key, this.prepare(field, element, [...path, key])];
      this.#unknownKey(Object.keys(fields), [...path, key]);
      return [key, element];
    });
    return nullPrototype(entries);
  }

  #unknownKey(known: readonly string[], path: ConfigPath): void {
    const key = String(path.at(-1));
    const near = nearestName(key, known);
    const mend = near === undefined ? "it takes no keys" : `did you mean ${near}?`;
    this.faults.push({ path, message: `${pathText(path)} is no known key (${mend})` });
  }

  #judge({ kind, support, default: usual }: FieldInfo, value: unknown, path: ConfigPath): void {
    if (support === undefined || value === undefined || value === null) return;
    const isUsual = kind === "duration" ? isSameTime(value, usual) : isSame(value, usual);
    if (isUsual) return;
    const where = pathText(path);
    if (support.level === "refused") {
      const message = `${where} cannot be honoured: ${support.reason}`;
      this.faults.push({ path, message });
    } else {
      this.warnings.push({ path, message: `${where} has no effect: ${support.reason}` });
    }
  }

  /**
   * What was written, whatever YAML took it for: `min_version: 1.2` is a word to us, and a
   * password may be `#x`, `0123` or `[a]`. A variable that is not set is empty text, and no secret.
   */
  #asText(kind: FieldKind, value: unknown, path: ConfigPath): unknown {
    if (typeof value === "string" || value === undefined) return value;
    const text = this.#source.originalText(path);
    if (text === "" && kind !== "text") return undefined;
    if (typeof value === "object") return text ?? value;
    return text ?? String(value);
  }
}

function sentence(
  path: ConfigPath,
  message: string,
  value: unknown,
  { field, path: root }: { readonly field: AnyField; readonly path: ConfigPath },
): string {
  const where = pathText(path);
  const isEmpty = value === undefined || value === null || (Array.isArray(value) && !value.length);
  if (isEmpty) return `${where} ${message}`;
  return `${where} ${message}, not ${shown(value, fieldAt(field, path.slice(root.length)))}`;
}

/** Text in the place of a section or map may be a header that somebody wrote there [S14]. */
function shown(value: unknown, field: AnyField | undefined): string {
  const isPlain = typeof value !== "string" || plainKinds.has(field?.info.kind);
  return isPlain ? shortText(value) : "text";
}

const plainKinds: ReadonlySet<FieldKind | undefined> = new Set<FieldKind>([
  "boolean",
  "choice",
  "duration",
  "integer",
  "number",
]);

/** The field that stands at a path below another one. */
export function fieldAt(field: AnyField, path: ConfigPath): AnyField | undefined {
  let found: AnyField | undefined = field;
  for (const key of path) {
    const info: FieldInfo = found.info;
    found = info.fields === undefined ? info.item : info.fields[key];
    if (found === undefined) return undefined;
  }
  return found;
}

/** Longest piece of a wrong value that a message shows. */
const SHOWN_CHARACTERS_MAX = 60;

function shortText(value: unknown): string {
  const whole = typeof value === "object" ? kindOf(value) : JSON.stringify(value);
  return whole.length > SHOWN_CHARACTERS_MAX ? `${whole.slice(0, SHOWN_CHARACTERS_MAX)}…` : whole;
}

function kindOf(value: object | null): string {
  return Array.isArray(value) ? "a list" : "a map";
}

/** However it is written: `180s` is 3m, and 0 is 0s. */
function isSameTime(a: unknown, b: unknown): boolean {
  const [one, other] = [a, b].map((time) => parseDuration(String(time)));
  return one !== undefined && one === other;
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A map whose keys are only its own, whatever they are called [S16]. */
function nullPrototype(entries: readonly (readonly [string, unknown])[]): object {
  const map = Object.create(null) as Record<string, unknown>;
  for (const [key, value] of entries) map[key] = value;
  return map;
}
