import { pathText } from "./check.ts";
import { formatDuration } from "./duration.ts";
import type { AnyField, FieldInfo } from "./field.ts";

/** A field with the keys that lead to it from the component's own section. */
interface Option {
  readonly name: string;
  readonly info: FieldInfo;
}

/**
 * The options of a component as Markdown: a table of what it acts on, then one of the keys that
 * it only takes from the configurations of others. Names are written as messages write them,
 * `tls::insecure`; the keys of a list's elements as `readers[]::pull`.
 */
export function optionTable(field: AnyField): string {
  const options = [...optionsBelow(field, [])];
  const own = options.filter(({ info }) => info.support === undefined);
  const accepted = options.filter(({ info }) => info.support !== undefined);
  if (options.length === 0) return "It has no options.\n";
  const tables = [
    own.length === 0 ? "It acts on no option.\n" : tableOf(OWN_HEAD, own.map(ownRow)),
    ...(accepted.length === 0
      ? []
      : [COMPATIBILITY, tableOf(ACCEPTED_HEAD, accepted.map(acceptedRow))]),
  ];
  return tables.join("\n");
}

const OWN_HEAD = ["option", "type", "default", "what it does"];
const ACCEPTED_HEAD = ["option", "default", "with another value"];
const COMPATIBILITY =
  "Accepted for compatibility: at its default such a key is taken without a word.\n";

function* optionsBelow(field: AnyField, path: readonly string[]): Generator<Option> {
  const { fields, item, kind, support } = field.info;
  if (path.length > 0 && (support !== undefined || isOwnRow(field.info))) {
    yield { name: pathText(path), info: field.info };
  }
  // What is said of a whole section holds for each of its keys.
  if (support !== undefined) return;
  for (const [key, child] of Object.entries(fields ?? {})) {
    yield* optionsBelow(child, [...path, key]);
  }
  if (item?.info.fields === undefined) return;
  const last = path.at(-1) ?? "";
  const place = kind === "list" ? [...path.slice(0, -1), `${last}[]`] : [...path, "<name>"];
  for (const [key, child] of Object.entries(item.info.fields)) {
    yield* optionsBelow(child, [...place, key]);
  }
}

/** A section of nothing but accepted keys is no option of its own. */
function isOwnRow({ fields }: FieldInfo): boolean {
  if (fields === undefined) return true;
  return Object.values(fields).some(({ info }) => info.support === undefined && isOwnRow(info));
}

function ownRow({ name, info }: Option): string[] {
  return [code(name), typeText(info), defaultText(info), info.doc];
}

function acceptedRow({ name, info }: Option): string[] {
  const { level, reason } = info.support ?? { level: "ignored", reason: "" };
  const outcome = level === "refused" ? "is refused" : "has no effect";
  return [code(name), defaultText(info), `${outcome}: ${reason}`];
}

/** The type with its unit and range, as `integer, 1 to 10000 Hz`. */
function typeText(info: FieldInfo): string {
  const range = rangeText(info);
  return range === "" ? kindText(info) : `${kindText(info)}, ${range}`;
}

function kindText({ kind, choices, item }: FieldInfo): string {
  if (kind === "choice") return (choices ?? []).map((word) => code(quotedEmpty(word))).join(", ");
  if (kind === "secret") return "text, secret";
  if (kind !== "list" && kind !== "map") return kind;
  const element = item === undefined ? "any" : typeText(item.info);
  return item?.info.fields === undefined ? `${kind} of ${element}` : `${kind} of sections`;
}

function rangeText({ kind, min, max, unit }: FieldInfo): string {
  const print = kind === "duration" ? formatDuration : String;
  const suffix = unit === undefined ? "" : unit === "%" ? " %" : ` ${unit}`;
  if (min !== undefined && max !== undefined) return `${print(min)} to ${print(max)}${suffix}`;
  // No duration is negative: a least one of 0 says nothing.
  if (min !== undefined && (kind !== "duration" || min > 0))
    return `${print(min)} or more${suffix}`;
  if (max !== undefined) return `at most ${print(max)}${suffix}`;
  return suffix.trim();
}

function defaultText({ kind, default: usual, isRequired }: FieldInfo): string {
  if (isRequired) return "must be set";
  if (kind === "section") return usual === undefined ? "off" : "";
  if (usual === undefined) return "not set";
  if (Array.isArray(usual) && usual.every((element) => typeof element === "string")) {
    return usual.length === 0 ? code("[]") : usual.map(code).join(", ");
  }
  return code(typeof usual === "string" ? quotedEmpty(usual) : JSON.stringify(usual));
}

function quotedEmpty(text: string): string {
  return text === "" ? '""' : text;
}

function code(text: string): string {
  return `\`${text}\``;
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
  return [line(head), `|${"---|".repeat(head.length)}\n`, ...rows.map(line)].join("");
}
