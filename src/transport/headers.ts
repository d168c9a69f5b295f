import { REDACTED, type Secret } from "../config/secret.ts";
import { CollectorError } from "../support/errors.ts";

/** Headers of the user, whose values may be tokens. */
export type SecretHeaders = ReadonlyMap<string, Secret | undefined>;

/** RFC 9110: the characters of a token. */
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the purpose
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f]/;

/**
 * Headers as node:http takes them: UTF-8 bytes, each as one character.
 *
 * @throws CollectorError CONFIG_INVALID  naming the header, never its value [S14]
 */
export function revealHeaders(headers: SecretHeaders): Record<string, string> {
  const revealed: Record<string, string> = {};
  for (const [name, value] of headers) {
    const text = value?.reveal() ?? "";
    if (!NAME.test(name)) throw invalid(name, "is no name of a header");
    if (CONTROL.test(text)) throw invalid(name, "has a value with a control character in it");
    revealed[name] = Buffer.from(text, "utf8").toString("latin1");
  }
  return revealed;
}

function invalid(name: string, what: string): CollectorError {
  return new CollectorError("CONFIG_INVALID", `headers::${name} ${what}`);
}

/** A server's sentence that is longer than this tells no more. */
const SERVER_TEXT_CHARACTERS_MAX = 500;

/** Shorter values are tenants and flags, which are words of many a sentence. */
const SECRET_CHARACTERS_MIN = 6;

/**
 * What a server said, fit for an error: of bounded length, and without the tokens that were sent
 * to it, which some servers repeat [S14].
 */
export function serverText(text: string, sent: SecretHeaders): string {
  let shown = text.trim();
  for (const value of sent.values()) {
    const whole = value?.reveal() ?? "";
    // "Bearer TOKEN" and "Basic TOKEN": the token may come back alone.
    for (const part of [whole, ...whole.split(" ")]) {
      if (part.length >= SECRET_CHARACTERS_MIN) shown = shown.replaceAll(part, REDACTED);
    }
  }
  return shown.length > SERVER_TEXT_CHARACTERS_MAX
    ? `${shown.slice(0, SERVER_TEXT_CHARACTERS_MAX)}…`
    : shown;
}
