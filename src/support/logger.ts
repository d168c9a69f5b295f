/**
 * One record, one line, on standard error. Text that came from a profiled process may hold
 * anything, so control characters are written as escapes [S18].
 */

import type { Clock } from "./clock.ts";

export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];

export type LogFields = Readonly<Record<string, string | number | bigint | boolean>>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** How a record becomes a line; without the line's end. */
export type LineFormat = (level: LogLevel, message: string, fields: LogFields) => string;

/** A logger that writes lines of at least `level` with `write`. */
export function createLogger(
  level: LogLevel,
  write: (line: string) => void,
  format: LineFormat = plainLine,
): Logger {
  const threshold = logLevels.indexOf(level);
  const at =
    (name: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (logLevels.indexOf(name) >= threshold) write(`${format(name, message, fields)}\n`);
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** A logger whose every record has these fields too, first. */
export function loggerWith(logger: Logger, own: LogFields): Logger {
  const at =
    (name: LogLevel) =>
    (message: string, fields: LogFields = {}): void =>
      logger[name](message, { ...own, ...fields });
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** `INFO message key=value`, for a command that a person watches. */
export function plainLine(level: LogLevel, message: string, fields: LogFields): string {
  const rest = Object.entries(fields).map(
    ([key, value]) => ` ${escapeControl(key)}=${escapeControl(String(value))}`,
  );
  return `${level.toUpperCase()} ${escapeControl(message)}${rest.join("")}`;
}

/** The same after the time, for a log that is kept. */
export function timedLine(clock: Clock): LineFormat {
  return (level, message, fields) => `${timeText(clock)} ${plainLine(level, message, fields)}`;
}

/** One JSON object with otelcol's keys: level, ts, msg, then the fields. */
export function jsonLine(clock: Clock): LineFormat {
  return (level, message, fields) => {
    const own = { level, ts: timeText(clock), msg: message };
    // Own keys come first, and no field of the same name takes their place.
    return escapedJson(Object.assign({ ...own }, fields, own));
  };
}

function escapedJson(record: object): string {
  const text = JSON.stringify(record, (_key, value) =>
    typeof value === "bigint" ? String(value) : value,
  );
  return escapeJson(text);
}

/** JSON leaves some control characters as they are, which a terminal would act on [S18]. */
export function escapeJson(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function timeText(clock: Clock): string {
  return new Date(Number(clock.unixNanos() / 1_000_000n)).toISOString();
}

export const silentLogger: Logger = createLogger("error", () => {});

/** The text with every control character written as `\xNN`, so that it stays on its line. */
export function escapeControl(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the purpose
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g,
    (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
