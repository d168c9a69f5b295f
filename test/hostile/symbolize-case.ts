import type { TemporaryFolder } from "../support/temporary-folder.ts";
import { ADDRESSES, type DebugParts, debugImage, goodParts } from "./debug-image.ts";
import type { SymbolizeOutcome } from "./symbolize-run.ts";

/** What a hostile file is given to, and what has to come of it beside what has to of each. */
export interface SymbolizeCase {
  readonly name: string;
  /** Writes it and gives the flags that lead to it. */
  readonly write: (folder: TemporaryFolder) => readonly string[];
  readonly addresses: readonly (number | bigint)[];
  readonly check?: (outcome: SymbolizeOutcome) => void | Promise<void>;
  readonly skip?: string | false;
}

/** Of debug information that is broken: what describes `good` stays, and so do all symbols. */
export function debugCase(
  name: string,
  write: (parts: DebugParts) => void,
  check: SymbolizeCase["check"] = expectNames,
): SymbolizeCase {
  return {
    name,
    addresses: ADDRESSES,
    write: (folder) => {
      const parts = goodParts();
      write(parts);
      const path = folder.file("program");
      debugImage(parts).write(path);
      return ["--binary", path];
    },
    check,
  };
}

/** Places of the frames of an answer: function, file and line. */
export function placesOf({ answers }: SymbolizeOutcome, index: number): string[] {
  const frames = answers[index]?.frames ?? [];
  return frames.map(({ function: name, file, line }) => `${name} ${file ?? ""}:${line ?? ""}`);
}

/** `good` is whole, `bad` has its symbol, and nothing else has a name. */
export function expectNames(outcome: SymbolizeOutcome): void {
  expectGood(outcome);
  const outermost = outcome.answers.map(({ frames }) => frames.at(-1)?.systemName);
  requireEqual(outermost.slice(1), ["bad", undefined]);
}

/** What is said of `good` is what its unit says. */
export function expectGood(outcome: SymbolizeOutcome): void {
  requireEqual(placesOf(outcome, 0), ["good /src/good.c:7"]);
}

/** Symbols name what debug information does not. */
export function expectSymbols({ answers }: SymbolizeOutcome): void {
  const outermost = answers.map(({ frames }) => frames.at(-1)?.systemName);
  requireEqual(outermost, ["good", "bad", undefined]);
}

export function requireEqual(found: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${a?.slice(0, 400)} is not ${b}`);
}

/** The same, of a whole file at once. */
export function withIndex(one: SymbolizeCase): SymbolizeCase {
  return { ...one, write: (folder) => [...one.write(folder), "--index"] };
}
