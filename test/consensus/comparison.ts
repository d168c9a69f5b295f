/**
 * Holds answers against two other symbolizers: where those two agree, ours has to be the same.
 * Chains (file and line of each frame) and names are compared apart, since symbolizers differ in
 * names for reasons of their own: clones, constructors, aliases.
 */
import { basename } from "node:path";
import type { Answer } from "./answers.ts";

/** From this share of differing addresses on, llvm-symbolizer alone decides. */
const DIFFERING_SHARE_MAX = 0.1;

export type Aspect = "chain" | "path" | "name";

export interface Difference {
  readonly address: number;
  readonly ours: Answer;
  readonly llvm: Answer;
  readonly gnu: Answer | undefined;
}

/** What came of one aspect of one list of addresses. */
export interface Verdict {
  /** Addresses on which the deciding symbolizers agree. */
  readonly decided: number;
  readonly decidedBy: "both" | "llvm";
  readonly differences: readonly Difference[];
  /** From 0 to 1. */
  readonly share: number;
}

const texts: Readonly<Record<Aspect, (answer: Answer) => string>> = {
  chain: (answer) => answer.map(({ file, line }) => `${basename(file)}:${line}`).join("\n"),
  path: (answer) => answer.map(({ file, line }) => `${file}:${line}`).join("\n"),
  name: (answer) => answer.map(({ name }) => name).join("\n"),
};

export interface Answers {
  readonly addresses: readonly number[];
  readonly ours: readonly Answer[];
  readonly llvm: readonly Answer[];
  /** Nothing when addr2line does not read the file. */
  readonly gnu: readonly Answer[] | undefined;
}

/** Compares one aspect: whole chains by base names or by whole paths, or all names of a chain. */
export function compare(aspect: Aspect, { addresses, ours, llvm, gnu }: Answers): Verdict {
  const textOf = texts[aspect];
  const agrees = addresses.map((_, index) => {
    const other = gnu?.[index];
    return other !== undefined && textOf(other) === textOf(llvm[index] ?? []);
  });
  const agreed = agrees.filter(Boolean).length;
  const decidedBy = agreed >= addresses.length * (1 - DIFFERING_SHARE_MAX) ? "both" : "llvm";
  const differences: Difference[] = [];
  for (const [index, address] of addresses.entries()) {
    if (decidedBy === "both" && !agrees[index]) continue;
    const [mine = [], theirs = []] = [ours[index], llvm[index]];
    if (textOf(mine) === textOf(theirs)) continue;
    differences.push({ address, ours: mine, llvm: theirs, gnu: gnu?.[index] });
  }
  const decided = decidedBy === "both" ? agreed : addresses.length;
  return { decided, decidedBy, differences, share: 1 - differences.length / decided };
}

/** A difference as a table to be read: a line a frame, columns ours, llvm and GNU. */
export function describe({ address, ours, llvm, gnu }: Difference): string {
  const column = (title: string, answer: Answer | undefined): string => {
    if (answer === undefined) return `  ${title}  (does not read this file)\n`;
    if (answer.length === 0) return `  ${title}  nothing\n`;
    return answer.map(({ name, file, line }) => `  ${title}  ${file}:${line}  ${name}\n`).join("");
  };
  const frames = column("ours", ours) + column("llvm", llvm) + column("GNU ", gnu);
  return `0x${address.toString(16)}\n${frames}`;
}
