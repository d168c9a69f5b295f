import { messageOf } from "../support/errors.ts";
import type { ConfigEnvironment } from "./environment.ts";
import { configInvalid } from "./faults.ts";
import { CONFIG_FETCH_MS_MAX } from "./limits.ts";

export const SCHEMES = ["env", "file", "yaml", "http", "https"] as const;

export type Scheme = (typeof SCHEMES)[number];

/** A text to be got: the scheme, and what stands behind its colon. */
export interface Location {
  readonly scheme: Scheme;
  readonly rest: string;
}

/** The name of a variable, and what to take when it is unset. */
export interface VariableReference {
  readonly name: string;
  readonly defaultText?: string;
}

const VARIABLE_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]+):(.*)$/s;
/** What stands before a default. */
const DEFAULT_MARK = ":-";
/** A label stays on the line of its message. */
const LABEL_CHARACTERS_MAX = 60;

/** The location of a `--config`: without a scheme it is a path. */
export function sourceLocation(uri: string): Location {
  const [, scheme, rest = ""] = SCHEME.exec(uri) ?? [];
  if (scheme === undefined) return { scheme: "file", rest: uri };
  if (isScheme(scheme)) return { scheme, rest };
  const known = SCHEMES.join(", ");
  throw configInvalid(
    `--config ${uri}`,
    `the scheme "${scheme}" is not one of ${known}; a file with a colon is file:${uri}`,
  );
}

/** The location that stands in `${…}`: without a scheme it is a variable. */
export function referenceLocation(uri: string, place: string): Location {
  const [, scheme, rest = ""] = SCHEME.exec(uri) ?? [];
  if (scheme !== undefined && isScheme(scheme)) return { scheme, rest };
  const colon = uri.indexOf(":");
  if (colon === -1 || uri.startsWith(DEFAULT_MARK, colon)) return { scheme: "env", rest: uri };
  const known = SCHEMES.join(", ");
  throw configInvalid(
    place,
    `\${${uri.slice(0, colon)}:…} is not one of ${known}; for the text itself write $$ for $`,
  );
}

function isScheme(text: string): text is Scheme {
  return (SCHEMES as readonly string[]).includes(text);
}

/**
 * What messages call a location. Text of the configuration itself, a default and what may
 * authenticate in a URL are left out, because a secret could stand there.
 */
export function locationLabel({ scheme, rest }: Location): string {
  if (scheme === "file") return rest;
  if (scheme === "env") return `env:${rest.split(DEFAULT_MARK, 1)[0]}`;
  if (scheme === "yaml")
    return `yaml:${/^[\w:/.-]+(?=:\s)/.exec(rest)?.[0] ?? "…"}`.slice(0, LABEL_CHARACTERS_MAX);
  const url = URL.parse(`${scheme}:${rest}`);
  return url === null ? `${scheme}:…` : `${url.origin}${url.pathname}`;
}

/** A variable's name, checked, and its default. */
export function variableReference(rest: string, place: string): VariableReference {
  const mark = rest.indexOf(DEFAULT_MARK);
  const name = mark === -1 ? rest : rest.slice(0, mark);
  if (!VARIABLE_NAME.test(name)) {
    throw configInvalid(
      place,
      `"${name}" cannot be a variable's name: letters, digits and _ only, no digit first`,
    );
  }
  return mark === -1 ? { name } : { name, defaultText: rest.slice(mark + DEFAULT_MARK.length) };
}

/**
 * The text at a location, its last line end removed; undefined for a variable that is unset and
 * has no default. Messages start with `place`.
 */
export async function retrieve(
  location: Location,
  environment: ConfigEnvironment,
  place: string,
): Promise<string | undefined> {
  const { scheme, rest } = location;
  if (scheme === "yaml") return rest;
  if (scheme === "env") {
    const { name, defaultText } = variableReference(rest, place);
    return Object.hasOwn(environment.variables, name) ? environment.variables[name] : defaultText;
  }
  try {
    // A secret in a file of its own mostly ends with a line end that is not part of it.
    return (await readFrom(location, environment)).replace(/\r?\n$/, "");
  } catch (error) {
    throw configInvalid(place, reasonOf(error), error);
  }
}

function readFrom({ scheme, rest }: Location, environment: ConfigEnvironment): Promise<string> {
  if (scheme === "file") return environment.readFile(rest);
  if (environment.fetchText) return environment.fetchText(`${scheme}:${rest}`);
  throw new Error("configurations are not fetched over the network here");
}

/** By the code of the error, or its name where it has none. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  ENOTDIR: "there is no such file",
  EACCES: "this user may not read the file",
  EISDIR: "this is a directory, not a file",
  ERR_ENCODING_INVALID_ENCODED_DATA: "the text is not UTF-8",
  ERR_INVALID_ARG_VALUE: "the path has a zero byte",
  ERR_INVALID_URL: "this is no URL",
  ECONNREFUSED: "nothing listens there",
  ENOTFOUND: "there is no such host",
  TimeoutError: `no whole answer within ${CONFIG_FETCH_MS_MAX} ms`,
};

function reasonOf(error: unknown): string {
  // fetch hides what happened behind "fetch failed".
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const { code, name } = cause as NodeJS.ErrnoException;
  return REASONS[code ?? ""] ?? REASONS[name] ?? messageOf(cause);
}
