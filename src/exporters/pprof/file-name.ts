import { CollectorError } from "../../support/errors.ts";

/** What stands for the placeholders of one file's name. */
export interface NameParts {
  /** Nanoseconds since 1970. */
  readonly timeUnixNano: bigint;
  /** Sample types, from the data: may hold anything. */
  readonly types: readonly string[];
  readonly sequence: number;
}

/** Characters of a pattern. */
const PATTERN_MAX = 100;
/** The kernel's own limit of a host name. */
const HOST_MAX = 64;
const TYPE_MAX = 40;

/** With each part at its longest, a suffix and `.PID.partial`, a name stays below 255 bytes. */
const shapes: Readonly<Record<string, string>> = {
  time: "\\d{8}T\\d{6}Z",
  type: "[\\w.+-]{1,40}",
  sequence: "\\d{1,16}",
};

/**
 * The names of an exporter's files: makes them, and knows its own again. A name has no slash and
 * does not begin with a dot, so it stays in its folder, whatever the data says [S8].
 */
export class FileNamePattern {
  readonly #pieces: readonly Piece[];
  /** `.pb.gz`, before which the number of a copy stands. */
  readonly #extension: string;
  readonly #host: string;
  readonly #own: RegExp;

  /**
   * @param pattern  with `{time}`, `{host}`, `{type}` and `{sequence}`
   * @param host     this machine's name
   * @throws CollectorError CONFIG_INVALID
   */
  constructor(pattern: string, host: string) {
    if (pattern.length > PATTERN_MAX) throw invalid(`is longer than ${PATTERN_MAX} characters`);
    const extension = EXTENSION.exec(pattern)?.[0] ?? "";
    this.#pieces = piecesOf(pattern.slice(0, pattern.length - extension.length));
    this.#extension = extension;
    this.#host = plain(host, HOST_MAX) || "localhost";
    this.#own = this.#ownNames();
  }

  /** @param copy  0, or a number that tells apart files that would have the same name */
  name(parts: NameParts, copy: number): string {
    const texts = this.#pieces.map((piece) =>
      piece.isPlaceholder ? this.#valueOf(piece.text, parts) : piece.text,
    );
    return texts.join("") + (copy === 0 ? "" : `-${copy}`) + this.#extension;
  }

  /** The sequence number of an own file, 0 without one; undefined for the file of another. */
  sequenceOf(name: string): number | undefined {
    const match = this.#own.exec(name);
    return match === null ? undefined : Number(match.groups?.["sequence"] ?? 0);
  }

  #valueOf(placeholder: string, { timeUnixNano, types, sequence }: NameParts): string {
    if (placeholder === "host") return this.#host;
    if (placeholder === "time") return basicTime(timeUnixNano);
    if (placeholder === "sequence") return String(sequence);
    return plain(types.join("+"), TYPE_MAX) || "profile";
  }

  /** Also what a crash left of a file that was being written. */
  #ownNames(): RegExp {
    const source = this.#pieces.map(({ text, isPlaceholder }) => {
      if (!isPlaceholder) return RegExp.escape(text);
      if (text === "host") return RegExp.escape(this.#host);
      return text === "sequence" ? `(?<sequence>${shapes[text]})` : shapes[text];
    });
    const end = `(?:-\\d{1,4})?${RegExp.escape(this.#extension)}(?:\\.\\d+\\.partial)?`;
    return new RegExp(`^${source.join("")}${end}$`);
  }
}

/** `.pb.gz` and the like, at the end of a pattern. */
const EXTENSION = /(?:\.pb)?\.\w+$/;

interface Piece {
  readonly text: string;
  readonly isPlaceholder: boolean;
}

function piecesOf(pattern: string): Piece[] {
  const pieces = pattern
    .split(/(\{[^{}]*\})/)
    .filter((text) => text !== "")
    .map((text) => {
      const isPlaceholder = text.startsWith("{") && text.endsWith("}");
      return { text: isPlaceholder ? text.slice(1, -1) : text, isPlaceholder };
    });
  const placeholders = pieces.filter(({ isPlaceholder }) => isPlaceholder).map(({ text }) => text);
  const literal = pieces
    .filter(({ isPlaceholder }) => !isPlaceholder)
    .map(({ text }) => text)
    .join("");
  const unknown = placeholders.find((name) => name !== "host" && !Object.hasOwn(shapes, name));
  if (unknown !== undefined) {
    throw invalid(`has the unknown placeholder {${unknown}}: there are ${PLACEHOLDERS}`);
  }
  if (new Set(placeholders).size < placeholders.length) {
    throw invalid("has a placeholder more than once");
  }
  if (!placeholders.includes("time") && !placeholders.includes("sequence")) {
    throw invalid("must have {time} or {sequence}, so that each file has its own name");
  }
  if (!/^[\w.+-]*$/.test(literal) || pattern.startsWith(".")) {
    throw invalid("must be the name of a file: letters, digits and . _ - + only, no dot first");
  }
  return pieces;
}

const PLACEHOLDERS = "{time}, {host}, {type} and {sequence}";

function invalid(what: string): CollectorError {
  return new CollectorError("CONFIG_INVALID", `file_name ${what}`);
}

/** The text with everything replaced that could mean something to a file system or a shell. */
function plain(text: string, charactersMax: number): string {
  return text
    .slice(0, charactersMax)
    .replace(/[^\w.+-]/g, "_")
    .replace(/^\.+/, "_");
}

/** ISO 8601 basic form, which has no colon: some file systems take none. */
function basicTime(unixNano: bigint): string {
  const time = new Date(Number(unixNano / 1_000_000n));
  // Data may claim any time: years after 9999 have a form of their own.
  const text = Number.isNaN(time.valueOf()) ? "" : time.toISOString();
  return text.length === 24 ? text.replace(/[-:]|\.\d+/g, "") : "19700101T000000Z";
}
