import { once } from "node:events";
import { CollectorError } from "../support/errors.ts";
import { escapeControl, escapeJson } from "../support/logger.ts";
import type { SymbolFrame } from "../symbols/executable-file.ts";
import type { AddressNamer, NamedAddress } from "./address-namer.ts";
import { EXIT_FAILURE } from "./exit-codes.ts";

/** Bytes of one line of standard input; an address has 18. */
const LINE_BYTES_MAX = 4096;

/** The flags of `symbolize` as commander hands them over. */
export interface SymbolizeFlags {
  readonly binary?: string;
  readonly pid?: number;
  readonly perfMap?: string;
  readonly jitdump?: string;
  readonly kallsyms?: string;
  readonly addr?: readonly string[];
  readonly stdin?: boolean;
  readonly json?: boolean;
  readonly inlines: boolean;
  readonly demangle: boolean;
  readonly debugDir?: readonly string[];
  readonly debuginfod?: string | boolean;
  readonly index?: boolean;
}

/**
 * Names addresses of a file or a process, those of the flags first and then those of standard
 * input, and prints what it finds. Returns 0, also when some have no name.
 */
export async function runSymbolize(flags: SymbolizeFlags): Promise<number> {
  requireOneInput(flags);
  const addresses = flags.addr ?? [];
  if (flags.index === true && flags.binary === undefined) {
    throw new CollectorError("CONFIG_INVALID", "--index makes the index of a --binary");
  }
  if (addresses.length === 0 && flags.stdin !== true && flags.index !== true) {
    throw new CollectorError("CONFIG_INVALID", "no address: give --addr 0x…, or --stdin");
  }
  for (const text of addresses) {
    if (parseAddress(text) !== undefined) continue;
    const mend = "an address is hexadecimal, as 0x4012ab";
    throw new CollectorError("CONFIG_INVALID", `--addr ${text}: ${mend}`);
  }
  // Whoever reads may go, as `head` does: then nothing is left to say.
  process.stdout.on("error", () => {});
  const { openNamer } = await import("./address-namer.ts");
  await using namer = await openNamer(flags);
  const print = flags.json === true ? jsonOf : textOf;
  if (addresses.length > 0) await write(await answers(addresses, namer), print);
  if (flags.stdin === true) {
    for await (const lines of inputLines()) {
      if (process.stdout.errored) return EXIT_FAILURE;
      await write(await answers(lines, namer), print);
    }
  }
  return 0;
}

function requireOneInput(flags: SymbolizeFlags): void {
  const inputs = [flags.binary, flags.pid, flags.perfMap, flags.jitdump, flags.kallsyms];
  const count = inputs.filter((input) => input !== undefined).length;
  if (count === 1) return;
  const names = "--binary, --pid, --perf-map, --jitdump or --kallsyms";
  throw new CollectorError("CONFIG_INVALID", `give one of ${names}, not ${count || "none"}`);
}

interface Answer extends NamedAddress {
  /** As it is printed. */
  readonly address: string;
}

/** A line that is no address has an answer too, so that answers and lines go together. */
async function answers(texts: readonly string[], namer: AddressNamer): Promise<Answer[]> {
  const parsed = texts.map(parseAddress);
  const named = await namer.name(parsed.filter((address) => address !== undefined));
  let next = 0;
  return parsed.map((address, index) => {
    if (address === undefined) {
      const text = (texts[index] as string).trim();
      return { address: text, frames: [], reason: "this is no hexadecimal address" };
    }
    return { address: `0x${address.toString(16)}`, ...(named[next++] as NamedAddress) };
  });
}

/** Undefined for what is no hexadecimal number of 64 bits. */
function parseAddress(text: string): bigint | undefined {
  const digits = /^\s*(?:0[xX])?([0-9a-fA-F]{1,16})\s*$/.exec(text)?.[1];
  return digits === undefined ? undefined : BigInt(`0x${digits}`);
}

/** The lines of standard input, in groups as they come: whoever asks one waits for its answer. */
async function* inputLines(): AsyncGenerator<string[]> {
  let rest = "";
  for await (const chunk of process.stdin.setEncoding("latin1")) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > LINE_BYTES_MAX) {
      const limit = `a line of standard input has over ${LINE_BYTES_MAX} bytes`;
      throw new CollectorError("LIMIT_EXCEEDED", `${limit}: one address a line is expected`);
    }
    const addresses = lines.filter((line) => line.trim() !== "");
    if (addresses.length > 0) yield addresses;
  }
  if (rest.trim() !== "") yield [rest];
}

function jsonOf({ address, frames, reason }: Answer): string {
  const shown = frames.map(({ name, systemName, file, line, column }) => ({
    function: name,
    systemName,
    file,
    line,
    column,
  }));
  const json = JSON.stringify({ address, frames: shown, ...(frames.length === 0 && { reason }) });
  return `${escapeJson(json)}\n`;
}

/**
 * As llvm-symbolizer prints it: two lines a frame, and an empty one after each address. Names come
 * from whoever wrote the file, and must not command the terminal [S18].
 */
function textOf({ frames }: Answer): string {
  const shown = frames.length === 0 ? [UNKNOWN] : frames;
  const lines = shown.map(({ name, file, line, column }) => {
    const place = `${file ?? "??"}:${line ?? 0}:${column ?? 0}`;
    return `${escapeControl(name)}\n${escapeControl(place)}\n`;
  });
  return `${lines.join("")}\n`;
}

const UNKNOWN: SymbolFrame = { name: "??", systemName: "??" };

async function write(found: readonly Answer[], print: (answer: Answer) => string): Promise<void> {
  const text = found.map(print).join("");
  if (process.stdout.write(text)) return;
  await once(process.stdout, "drain").catch(() => {});
}
