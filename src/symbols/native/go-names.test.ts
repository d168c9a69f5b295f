import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { describe, it } from "node:test";
import { buildProgram } from "../../../test/support/build-program.ts";
import { requirement } from "../../../test/support/requirements.ts";
import { readElf } from "../elf/elf-file.ts";
import { fileAccess } from "../elf/random-access.ts";
import { FileSymbols, type FoundFrames } from "./file-symbols.ts";

const ADDRESSES = 1000;
/** How the place ends that Go's own tool prints of padding, which it gives to a function. */
const NO_PLACE = ":-1";

describe("names of a stripped Go program", { skip: requirement("go") }, () => {
  it("are those that Go's own addr2line finds in the whole one", async () => {
    const whole = buildProgram("goroutines.go");
    const stripped = buildProgram("goroutines.go", ["-ldflags=-s -w"]);
    const addresses = textAddresses(whole);
    const fd = openSync(stripped, "r");
    try {
      const elf = readElf(fileAccess(fd, stripped));
      const symbols = await FileSymbols.open({ elf });
      const options = { inlines: true, demangle: true };
      const found = await symbols.find(addresses, options);
      const outer = await symbols.find(addresses, { ...options, inlines: false });
      for (const [index, expected] of goAddresses(whole, addresses).entries()) {
        const { frames } = found[index] as FoundFrames;
        const where = `0x${(addresses[index] as bigint).toString(16)}`;
        assert.deepEqual(innermostPlace(frames), expected, where);
        assert.deepEqual(innermostPlace((outer[index] as FoundFrames).frames), expected, where);
        assert.ok((outer[index] as FoundFrames).frames.length <= 1, where);
      }
    } finally {
      closeSync(fd);
    }
  });
});

/** The function, and the line of what was inlined into it; nothing of padding. */
function innermostPlace(frames: FoundFrames["frames"]): string[] {
  const [{ file, line } = {}, outermost] = [frames[0], frames.at(-1)];
  return outermost === undefined ? [] : [outermost.systemName, `${file}:${line}`];
}

/** Spread over the code, at no even step. */
function textAddresses(path: string): bigint[] {
  const fd = openSync(path, "r");
  const { sections } = readElf(fileAccess(fd, path));
  closeSync(fd);
  const text = sections.find(({ name }) => name === ".text") ?? assert.fail();
  const step = Math.floor(text.size / ADDRESSES) | 1;
  return Array.from({ length: ADDRESSES }, (_, index) => text.address + BigInt(index * step));
}

/** Function and place of each; nothing of padding. */
function goAddresses(path: string, addresses: readonly bigint[]): string[][] {
  const input = addresses.map((address) => `0x${address.toString(16)}\n`).join("");
  const output = execFileSync("go", ["tool", "addr2line", path], { input, encoding: "utf8" });
  const lines = output.trimEnd().split("\n");
  const answers = addresses.map((_, index) => lines.slice(2 * index, 2 * index + 2));
  return answers.map((answer) => (answer[1]?.endsWith(NO_PLACE) ? [] : answer));
}
