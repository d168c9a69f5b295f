/**
 * What an unquoted YAML scalar means, as the OpenTelemetry Collector's YAML library (Go's
 * yaml.v3) reads it: YAML 1.2's core schema, and also a leading zero for octal, `0b` for binary
 * and `_` between digits. `yes`, `no`, `on` and `off` are text.
 */
const NULL = /^(?:|~|null|Null|NULL)$/;
const TRUE = /^(?:true|True|TRUE)$/;
const FALSE = /^(?:false|False|FALSE)$/;
const DECIMAL = /^[-+]?(?:0|[1-9][0-9]*)$/;
const BASED = /^([-+]?)0([xob]?)([0-9a-fA-F]+)$/;
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
const INFINITE = /^([-+]?)\.(?:inf|Inf|INF)$/;
const NOT_A_NUMBER = /^\.(?:nan|NaN|NAN)$/;

/** The typed value; the text itself when it is nothing but text. */
export function readPlainScalar(text: string): null | boolean | number | string {
  if (NULL.test(text)) return null;
  if (TRUE.test(text)) return true;
  if (FALSE.test(text)) return false;
  return readNumber(text) ?? text;
}

function readNumber(text: string): number | undefined {
  if (!/^[-+.0-9]/.test(text)) return undefined;
  const digits = /^[-+]?[0-9]/.test(text) ? text.replaceAll("_", "") : text;
  if (DECIMAL.test(digits)) return Number(digits);
  const based = readBased(digits);
  if (based !== undefined) return based;
  if (FLOAT.test(digits)) return Number(digits);
  const infinite = INFINITE.exec(text);
  if (infinite) return infinite[1] === "-" ? -Infinity : Infinity;
  return NOT_A_NUMBER.test(text) ? Number.NaN : undefined;
}

/** `0x1f`, `0o17`, `017` or `0b11`; undefined for digits that the base does not have. */
function readBased(text: string): number | undefined {
  const [, sign, letter, digits] = BASED.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const value = Number(`0${letter || "o"}${digits}`);
  if (Number.isNaN(value)) return undefined;
  return sign === "-" ? -value : value;
}
