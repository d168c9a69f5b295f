/**
 * One record, one line, on standard error. Text that came from a profiled process may hold
 * anything, so control characters are written as escapes [S18].
 */

export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];

export type LogFields = Readonly<Record<string, string | number | bigint | boolean>>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** A logger that writes lines of at least `level` with `write`. */
export function createLogger(level: LogLevel, write: (line: string) => void): Logger {
  const threshold = logLevels.indexOf(level);
  const at =
    (name: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (logLevels.indexOf(name) < threshold) return;
      const rest = Object.entries(fields).map(
        ([key, value]) => ` ${key}=${escapeControl(String(value))}`,
      );
      write(`${name.toUpperCase()} ${escapeControl(message)}${rest.join("")}\n`);
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
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
