/**
 * What a Go program's own tables say of a stripped one, beside what llvm-symbolizer reads in the
 * debug information of the whole one.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, it } from "node:test";
import { buildProgram } from "../support/build-program.ts";
import { requirement } from "../support/requirements.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { randomAddresses, textOf } from "./addresses.ts";
import { type Answer, type AnsweredFrame, askLlvm, askObsforge } from "./answers.ts";
import { compare, describe as inWords } from "./comparison.ts";

const PROGRAM = "inlined_calls.go";
const ADDRESSES = 1000;
const SEED = 20_261_125;
const SHARE_MIN = 0.999;
const SHOWN_MAX = 5;
/** Of the addresses; else there would be nothing to compare. */
const INLINED_SHARE_MIN = 0.1;

interface Form {
  readonly name: string;
  /** Of `go build`. */
  readonly flags: readonly string[];
  readonly needs: readonly Parameters<typeof requirement>[number][];
  /** Makes another file of the one that was built, as what follows -o of a command. */
  readonly strip?: readonly string[];
}

const forms: readonly Form[] = [
  { name: "stripped by its linker", flags: ["-ldflags=-s -w"], needs: [] },
  { name: "without debug information", flags: ["-ldflags=-w"], needs: [] },
  { name: "stripped, loaded anywhere", flags: ["-buildmode=pie", "-ldflags=-s -w"], needs: [] },
  {
    name: "stripped, linked by gcc, loaded anywhere",
    flags: ["-buildmode=pie", "-ldflags=-linkmode=external"],
    needs: ["binutils"],
    strip: ["strip"],
  },
  {
    name: "without section headers",
    flags: ["-ldflags=-s -w"],
    needs: ["llvm"],
    strip: ["llvm-strip", "--strip-sections"],
  },
];

describe("Go's own tables beside llvm-symbolizer's answers", () => {
  it("reads the debug information of the whole", { skip: requirement("go", "llvm") }, () => {
    const path = buildProgram(PROGRAM);
    const addresses = randomAddresses(textOf(path), ADDRESSES, SEED);
    const llvm = askLlvm(path, addresses);
    const answers = { addresses, llvm, gnu: undefined, ours: askObsforge(path, addresses) };
    for (const aspect of ["path", "name"] as const) {
      const { share, differences } = compare(aspect, answers);
      assert.ok(share >= SHARE_MIN, differences.slice(0, SHOWN_MAX).map(inWords).join(""));
    }
  });

  for (const { name, flags, needs, strip } of forms) {
    it(name, { skip: requirement("go", "llvm", ...needs) }, (test) => {
      using folder = temporaryFolder();
      const whole = buildProgram(PROGRAM, wholeFlags(flags));
      const built = buildProgram(PROGRAM, flags);
      const path = strip === undefined ? built : join(folder.path, "stripped");
      const [command = "", ...args] = strip ?? [];
      if (strip !== undefined) execFileSync(command, [...args, "-o", path, built]);
      const addresses = randomAddresses(textOf(whole), ADDRESSES, SEED);
      const llvm = askLlvm(whole, addresses).map((answer) => answer.map(asInTables));
      const known = addresses.keys().filter((index) => hasPlaces(llvm[index] ?? []));
      const [asked, expected] = [[] as number[], [] as Answer[]];
      for (const index of known) {
        asked.push(addresses[index] as number);
        expected.push(llvm[index] as Answer);
      }
      const ours = askObsforge(path, asked).map((answer) => answer.map(asInTables));
      const inlined = expected.filter(({ length }) => length > 1).length;
      assert.ok(inlined > INLINED_SHARE_MIN * ADDRESSES, `${inlined} are inlined`);
      for (const aspect of ["path", "name"] as const) {
        const answers = { addresses: asked, llvm: expected, gnu: undefined, ours };
        const { share, differences } = compare(aspect, answers);
        test.diagnostic(`${aspect}: ${share * 100} % of ${asked.length}, ${inlined} inlined`);
        const shown = differences.slice(0, SHOWN_MAX).map(inWords).join("");
        assert.ok(share >= SHARE_MIN, `${aspect}: ${differences.length} differ\n${shown}`);
      }
    });
  }
});

/** The same code, with its debug information. */
function wholeFlags(flags: readonly string[]): string[] {
  return flags
    .map((flag) => flag.replace(/ ?-[sw]\b/g, ""))
    .filter((flag) => flag !== "-ldflags=" && flag !== "-ldflags");
}

/**
 * The debug information leaves out the lines of functions that the compiler made itself, and Go's
 * tables what is written in C.
 */
function hasPlaces(answer: Answer): boolean {
  return answer.every(({ file, line }) => line > 0 && !file.endsWith(".c"));
}

/**
 * Go's tables leave out the types of a generic function, and the mark of symbols of assembly; other
 * linkers write the point of Go's own symbols as a full stop.
 */
function asInTables({ name, ...place }: AnsweredFrame): AnsweredFrame {
  const plain = name.replace(/\[.*\]/, "[...]").replace(/\.abi0$/, "");
  return { ...place, name: plain.replaceAll("\u00b7", ".") };
}
