import { decodeUtf8 } from "../../support/byte-reader.ts";
import { limitExceeded, malformed } from "../../support/errors.ts";
import type { ProfileLimits } from "../../support/limits.ts";

/** A JavaScript string holds 512 Mi characters, and the parsed values need several times that. */
const JSON_BYTES_MAX = 256 * 1024 * 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** A value of a parsed JSON text with the path that leads to it, for error messages. */
export class JsonNode {
  readonly value: unknown;
  readonly #parent: JsonNode | undefined;
  readonly #step: string | number;

  /** @param step  the key or index in the parent; for the root, the text's name */
  constructor(value: unknown, step: string | number, parent?: JsonNode) {
    this.value = value;
    this.#step = step;
    this.#parent = parent;
  }

  /** Made when it is asked for: most nodes are never part of an error. */
  get path(): string {
    if (!this.#parent) return String(this.#step);
    const step = typeof this.#step === "number" ? `[${this.#step}]` : `.${this.#step}`;
    return this.#parent.path + step;
  }

  /** The member of an object; a node of undefined when it is not there. */
  member(key: string): JsonNode {
    const { value } = this;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw this.error("it is not an object");
    }
    const member: unknown = Object.hasOwn(value, key)
      ? value[key as keyof typeof value]
      : undefined;
    return new JsonNode(member, key, this);
  }

  get isThere(): boolean {
    return this.value !== undefined && this.value !== null;
  }

  array(): readonly unknown[] {
    if (!Array.isArray(this.value)) throw this.error("it is not an array");
    return this.value;
  }

  item(index: number): JsonNode {
    return new JsonNode(this.array()[index], index, this);
  }

  text(limits: ProfileLimits): string {
    if (typeof this.value !== "string") throw this.error("it is not a string");
    if (this.value.length > limits.stringBytesMax) {
      throw limitExceeded(this.path, "characters", this.value.length, limits.stringBytesMax);
    }
    return this.value.toWellFormed();
  }

  /** A finite number. */
  number(): number {
    if (typeof this.value !== "number" || !Number.isFinite(this.value)) {
      throw this.error("it is not a number");
    }
    return this.value;
  }

  error(what: string): Error {
    return malformed(this.path, what);
  }
}

/**
 * Parses JSON within the limits. Nesting is counted before the parser sees the text.
 *
 * @param name  what the text is; the root of every path in an error message
 * @throws INPUT_MALFORMED  it is not JSON
 * @throws LIMIT_EXCEEDED   too long or nested too deep
 */
export function parseJson(bytes: Uint8Array, limits: ProfileLimits, name: string): JsonNode {
  const bytesMax = Math.min(limits.wireBytesMax, JSON_BYTES_MAX);
  if (bytes.length > bytesMax) throw limitExceeded(name, "bytes", bytes.length, bytesMax);
  checkNesting(bytes, limits.nestingMax, name);
  const text = decodeUtf8(bytes);
  try {
    return new JsonNode(JSON.parse(text.startsWith("\ufeff") ? text.slice(1) : text), name);
  } catch (cause) {
    throw malformed(name, `it is not JSON: ${cause instanceof Error ? cause.message : cause}`);
  }
}

function checkNesting(bytes: Uint8Array, nestingMax: number, name: string): void {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (inString) {
      if (byte === BACKSLASH) i++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) {
      inString = true;
    } else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > nestingMax) throw limitExceeded(name, "nesting", depth, nestingMax);
    } else if (byte === 0x5d || byte === 0x7d) {
      depth--;
    }
  }
}
