import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { describe, it } from "node:test";
import { buildProgram } from "../../../test/support/build-program.ts";
import { requirement } from "../../../test/support/requirements.ts";
import { readElf } from "../elf/elf-file.ts";
import { fileAccess } from "../elf/random-access.ts";
import { FileSymbols } from "./file-symbols.ts";

const ADDRESSES = 1000;
/** What Go's own tool prints where there is no line. */
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
      const found = await symbols.find(addresses, { inlines: true, demangle: true });
      const expected = goAddresses(whole, addresses);
      for (const [index, { frames }] of found.entries()) {
        const [frame] = frames;
        const place = frame?.line === undefined ? NO_PLACE : `${frame.file}:${frame.line}`;
        const where = `0x${(addresses[index] as bigint).toString(16)}`;
        assert.deepEqual([frame?.systemName, place], expected[index], where);
      }
    } finally {
      closeSync(fd);
    }
  });
});

/** Spread over the code, at no even step. */
function textAddresses(path: string): bigint[] {
  const fd = openSync(path, "r");
  const { sections } = readElf(fileAccess(fd, path));
  closeSync(fd);
  const text = sections.find(({ name }) => name === ".text") ?? assert.fail();
  const step = Math.floor(text.size / ADDRESSES) | 1;
  return Array.from({ length: ADDRESSES }, (_, index) => text.address + BigInt(index * step));
}

/** Function and place of each. */
function goAddresses(path: string, addresses: readonly bigint[]): string[][] {
  const input = addresses.map((address) => `0x${address.toString(16)}\n`).join("");
  const output = execFileSync("go", ["tool", "addr2line", path], { input, encoding: "utf8" });
  const lines = output.trimEnd().split("\n");
  return addresses.map((_, index) => lines.slice(2 * index, 2 * index + 2));
}
