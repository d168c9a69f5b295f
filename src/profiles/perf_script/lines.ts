/**
 * The lines of `perf script` (perf 5.x and 6.x), as regular expressions over short texts:
 *
 *   comm  pid/tid [cpu] seconds: period event: …            a sample begins
 *   <tab>          address symbol+0xoffset (file)           a frame, leaf first
 *     file.c:12                                             the source of the frame above
 *                                                           an empty line ends the sample
 *
 * Every field of the first line but the name may be absent, as `-F` says; without call chains
 * the frame stands on the same line behind the event.
 */

/** Longer first lines are cut: names are at most 15 bytes, the rest is the event's arguments. */
const HEADER_CHARS_MAX = 1024;

export interface Header {
  readonly comm: string;
  /** -1 when it is not printed. */
  readonly pid: number;
  readonly tid: number;
  readonly cpu: number;
  /** Nanoseconds of perf's clock, which is no wall clock; -1 when it is not printed. */
  readonly timeNanos: number;
  /** 0 when it is not printed. */
  readonly period: number;
  /** "" when it is not printed. */
  readonly event: string;
  /** What stands behind the event: its arguments, or the only frame. */
  readonly rest: string;
}

const IDS = String.raw`(?:(?<pid>-?\d{1,10})\/)?(?<tid>-?\d{1,10})`;
const CPU = String.raw`(?:\s{1,8}\[(?<cpu>\d{1,6})\])?`;
const TIME = String.raw`(?<seconds>\d{1,12})\.(?<fraction>\d{1,9}):`;
const PERIOD = String.raw`(?:\s{1,40}(?<period>\d{1,20}))?`;
const EVENT = String.raw`(?:${PERIOD}\s{1,40}(?<event>\S{1,200}?):(?=\s|$))?`;

/**
 * From the most to the least that tells a first line from a frame; perf leaves a space behind
 * a name that stands alone.
 */
const headerForms: readonly RegExp[] = [
  new RegExp(String.raw`^(?<comm>.{1,64}?)\s{1,24}${IDS}${CPU}\s{1,40}${TIME}${EVENT}`),
  new RegExp(String.raw`^(?<comm>.{1,64}?)\s{1,24}${TIME}${EVENT}`),
  new RegExp(String.raw`^(?<comm>.{1,64}?)\s{1,24}${IDS}${CPU}${EVENT}`),
  new RegExp(String.raw`^(?<comm>.{1,64}?)${EVENT}\s{1,40}$`),
];

/** Reads the first line of a sample; undefined when it is none. */
export function parseHeader(line: string): Header | undefined {
  const text = line.slice(0, HEADER_CHARS_MAX).trimStart();
  for (const form of headerForms) {
    const found = form.exec(text);
    if (found?.groups) return headerOf(found.groups, text.slice(found[0].length));
  }
  return undefined;
}

function headerOf(groups: Record<string, string | undefined>, rest: string): Header {
  const whole = (name: string, otherwise: number): number => Number(groups[name] ?? otherwise);
  const fraction = (groups["fraction"] ?? "").padEnd(9, "0");
  const seconds = groups["seconds"];
  return {
    comm: (groups["comm"] ?? "").trim(),
    pid: whole("pid", -1),
    tid: whole("tid", -1),
    cpu: whole("cpu", -1),
    timeNanos: seconds === undefined ? -1 : Number(seconds) * 1e9 + Number(fraction),
    period: whole("period", 0),
    event: groups["event"] ?? "",
    rest: rest.trim(),
  };
}

export interface FrameLine {
  readonly address: bigint;
  /** "" when perf says `[unknown]` or nothing. */
  readonly symbol: string;
  /** The mapped file, "" when perf says `[unknown]` or nothing. */
  readonly file: string;
  /** Inlined into the frame below. */
  readonly isInlined: boolean;
}

const UNKNOWN = "[unknown]";

/** Reads a frame; undefined when the line is none. */
export function parseFrame(line: string): FrameLine | undefined {
  const text = line.trim();
  const space = text.indexOf(" ");
  const first = space < 0 ? text : text.slice(0, space);
  if (!/^[0-9a-f]{1,16}$/.test(first)) return undefined;
  const address = BigInt(`0x${first}`);
  const rest = space < 0 ? "" : text.slice(space + 1).trim();
  const { symbol, file } = splitFile(rest);
  const isInlined = file === "inlined";
  return {
    address,
    symbol: symbol === UNKNOWN ? "" : symbol,
    file: isInlined || file === UNKNOWN ? "" : file,
    isInlined,
  };
}

/** Splits `symbol+0x12 (file)`, both of which may hold spaces and parentheses. */
function splitFile(text: string): { symbol: string; file: string } {
  if (!text.endsWith(")")) return { symbol: withoutOffset(text), file: "" };
  const open = openingOf(text);
  if (open < 0 || (open > 0 && text[open - 1] !== " ")) {
    return { symbol: withoutOffset(text), file: "" };
  }
  return { symbol: withoutOffset(text.slice(0, open).trimEnd()), file: text.slice(open + 1, -1) };
}

/** Where the parenthesis opens that the last character closes; -1 when there is none. */
function openingOf(text: string): number {
  let depth = 0;
  for (let at = text.length - 1; at >= 0; at--) {
    if (text[at] === ")") depth++;
    else if (text[at] === "(" && --depth === 0) return at;
  }
  return -1;
}

function withoutOffset(symbol: string): string {
  const plus = symbol.lastIndexOf("+0x");
  return plus > 0 && /^[0-9a-f]{1,16}$/.test(symbol.slice(plus + 3))
    ? symbol.slice(0, plus)
    : symbol;
}

/** Reads the source line below a frame: `file.c:12`. */
export function parseSourceLine(line: string): { file: string; line: number } | undefined {
  const text = line.trim();
  const colon = text.lastIndexOf(":");
  const digits = text.slice(colon + 1);
  if (colon < 1 || !/^\d{1,9}$/.test(digits)) return undefined;
  if (text.startsWith("??:")) return { file: "", line: 0 };
  return { file: text.slice(0, colon), line: Number(digits) };
}
