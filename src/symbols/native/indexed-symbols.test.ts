import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { after, describe, it } from "node:test";
import { requirement } from "../../../test/support/requirements.ts";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { readElf } from "../elf/elf-file.ts";
import { fileAccess } from "../elf/random-access.ts";
import { isMissing } from "../executable-file.ts";
import { type IndexCache, openIndexCache } from "../index/index-cache.ts";
import { indexFile } from "./index-file.ts";
import { IndexedSymbols } from "./indexed-symbols.ts";

const NAMING = { inlines: true, demangle: true };

/** One unit of functions of two bytes a range, of which each first one is an inlined call's. */
function unitWithRanges(functions: number, ranges: number): string {
  const bytes = 2 * ranges;
  const each = (lines: (index: number) => readonly string[]): string =>
    Array.from({ length: functions }, (_, index) => lines(index).join("\n")).join("\n");
  return `
.text
.globl _start
_start:
${each((i) => [
  `.type f${i},@function`,
  `.globl f${i}`,
  `f${i}: .fill ${bytes},1,0x90`,
  `.size f${i},.-f${i}`,
])}
.Lend:
.section .debug_abbrev,"",@progbits
.byte 1,0x11,1,0x11,1,0x12,7,3,8,0,0
.byte 2,0x2e,1,0x11,1,0x12,7,3,8,0,0
.byte 3,0x2e,0,3,8,0x20,0xb,0,0
.byte 4,0x1d,0,0x31,0x13,0x55,0x17,0,0,0
.section .debug_info,"",@progbits
.Li: .long .Lie-.Lis
.Lis: .short 4
.long .debug_abbrev
.byte 8,1
.quad _start, .Lend-_start
.asciz "a.c"
.Labs: .byte 3
.asciz "inlined"
.byte 3
${each((i) => [
  `.byte 2`,
  `.quad f${i}, ${bytes}`,
  `.asciz "f${i}"`,
  `.byte 4`,
  `.long .Labs-.Li, .Lr${i}`,
  `.byte 0`,
])}
.byte 0
.Lie:
.section .debug_ranges,"",@progbits
${each((i) => [
  `.Lr${i}: .set n,${bytes * i}`,
  `.rept ${ranges}`,
  `.quad n, n+1`,
  `.set n,n+2`,
  `.endr`,
  `.quad 0,0`,
])}
`;
}

describe("IndexedSymbols", { skip: requirement("binutils") }, () => {
  const folder = temporaryFolder();
  after(() => folder[Symbol.dispose]());
  const fds: number[] = [];
  after(() => fds.forEach((fd) => void closeSync(fd)));

  async function indexed(path: string, cache: IndexCache): Promise<IndexedSymbols | undefined> {
    const fd = openSync(path, "r");
    fds.push(fd);
    const elf = readElf(fileAccess(fd, path));
    const found = cache.find({ elf, others: [] });
    return found && new IndexedSymbols(found, elf);
  }

  async function withIndex(path: string, name: string): Promise<IndexCache> {
    const cache = openIndexCache(folder.file(name));
    assert.ok(!isMissing(cache));
    const fd = openSync(path, "r");
    fds.push(fd);
    const kept = await indexFile({ fd, name: path, others: [] }, cache);
    assert.ok(!isMissing(kept));
    return cache;
  }

  function functionAddress(path: string, name: string): bigint {
    const symbols = execFileSync("nm", [path], { encoding: "utf8" });
    return BigInt(`0x${new RegExp(`^(\\w+) T ${name}$`, "m").exec(symbols)?.[1]}`);
  }

  it("knows every inlined call of a unit with 7 MB of ranges", async () => {
    const source = folder.file("ranges.s");
    const program = folder.file("ranges");
    writeFileSync(source, unitWithRanges(440, 1000));
    execFileSync("as", ["-o", `${program}.o`, source]);
    execFileSync("ld", ["-o", program, `${program}.o`]);
    const cache = await withIndex(program, "ranges of one unit");
    using symbols = (await indexed(program, cache)) ?? assert.fail();
    const addresses = [0, 1, 200, 438, 439].map((index) => functionAddress(program, `f${index}`));
    for (const { frames } of await symbols.find(addresses, NAMING)) {
      assert.deepEqual(
        frames.map(({ name }) => name.replace(/\d+/, "")),
        ["inlined", "f"],
      );
    }
  });
});
