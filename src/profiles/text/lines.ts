import { decodeUtf8 } from "../../support/byte-reader.ts";
import { limitExceeded } from "../../support/errors.ts";
import { type ProfileLimits, TEXT_LINE_BYTES_MAX } from "../../support/limits.ts";

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

/** A line of a text, without its end of line; `number` counts from 1. */
export interface TextLine {
  readonly text: string;
  readonly number: number;
}

/**
 * The lines of a text one by one, so that a file of hundreds of megabytes is never one string.
 * A last line without an end of line counts; "\r\n" ends a line as "\n" does.
 *
 * @param name  what the text is, for error messages
 * @throws LIMIT_EXCEEDED  the input or one line is too long
 */
export function* textLines(
  bytes: Uint8Array,
  limits: ProfileLimits,
  name: string,
): Generator<TextLine> {
  if (bytes.length > limits.wireBytesMax) {
    throw limitExceeded(name, "bytes", bytes.length, limits.wireBytesMax);
  }
  const lineBytesMax = Math.min(limits.stringBytesMax, TEXT_LINE_BYTES_MAX);
  let number = 1;
  for (let start = 0; start < bytes.length; number++) {
    const found = bytes.indexOf(LINE_FEED, start);
    const next = found < 0 ? bytes.length : found;
    const end = next > start && bytes[next - 1] === CARRIAGE_RETURN ? next - 1 : next;
    if (end - start > lineBytesMax) {
      throw limitExceeded(`${name}, line ${number}`, "bytes", end - start, lineBytesMax);
    }
    yield { text: decodeUtf8(bytes.subarray(start, end)), number };
    start = next + 1;
  }
}
