import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { requirement } from "../../../test/support/requirements.ts";
import { readElf } from "../elf/elf-file.ts";
import { bytesAccess } from "../elf/random-access.ts";
import { FileSegments } from "./file-segments.ts";
import { functionStarts } from "./function-starts.ts";
import { followStack } from "./stack-flow.ts";
import { ruleText } from "./testing/row-text.ts";
import { CFA_SPECIAL } from "./unwind-rows.ts";
import { findRule, ruleOf, type UnwindRule } from "./unwind-step.ts";
import { buildUnwindTable } from "./unwind-table.ts";
import { X86Decoder } from "./x86-instruction.ts";

const OBJDUMP_BYTES_MAX = 512 * 1024 * 1024;
/** Of the bytes whose call frame information is known, where the flow gives the same. */
const installed = [
  { path: "/usr/bin/bash", sameShareMin: 0.999 },
  { path: "/usr/lib/x86_64-linux-gnu/libc.so.6", sameShareMin: 0.995 },
  // What exceptions lead to, nothing in the code tells of.
  { path: "/usr/lib/x86_64-linux-gnu/libstdc++.so.6", sameShareMin: 0.93 },
].filter(({ path }) => existsSync(path));

const ADDRESS = 0x1000;

function rulesOf(hex: string, starts: readonly number[] = []): string[] | undefined {
  const bytes = Uint8Array.fromHex(hex.replaceAll(/\s/g, ""));
  const rules = followStack(bytes, ADDRESS, starts);
  return rules?.map(({ address, head, offsets }) => {
    return `${(address - ADDRESS).toString(16)} ${ruleText(unpacked(head, offsets), "x86_64")}`;
  });
}

function unpacked(head: number, offsets: number): UnwindRule {
  return ruleOf(Uint32Array.from([head * 65_536, offsets]), 0);
}

const functions: { name: string; hex: string; rules: string[]; starts?: number[] }[] = [
  { name: "a leaf", hex: "31c0 c3", rules: ["0 rsp+8 u c-8"] },
  {
    name: "push, sub, add, pop",
    hex: "55 53 4883ec18 90 4883c418 5b 5d c3",
    rules: [
      "0 rsp+8 u c-8",
      "1 rsp+16 c-16 c-8",
      "2 rsp+24 c-16 c-8",
      "6 rsp+48 c-16 c-8",
      "b rsp+24 c-16 c-8",
      "c rsp+16 c-16 c-8",
      "d rsp+8 u c-8",
    ],
  },
  {
    name: "two ways out",
    hex: "53 85ff 7404 5b c3 9090 5b c3",
    rules: ["0 rsp+8 u c-8", "1 rsp+16 u c-8", "6 rsp+8 u c-8", "9 rsp+16 u c-8", "a rsp+8 u c-8"],
  },
  {
    name: "alloca by the frame pointer",
    hex: "55 4889e5 4829c4 90 c9 c3",
    rules: ["0 rsp+8 u c-8", "1 rsp+16 c-16 c-8", "7 rbp+16 c-16 c-8", "9 rsp+8 u c-8"],
  },
  {
    name: "a stack pointer that is restored from the frame",
    hex: "55 4889e5 53 4829c4 488d65f8 5b 5d c3",
    rules: [
      "0 rsp+8 u c-8",
      "1 rsp+16 c-16 c-8",
      "5 rsp+24 c-16 c-8",
      "8 rbp+16 c-16 c-8",
      "c rsp+24 c-16 c-8",
      "d rsp+16 c-16 c-8",
      "e rsp+8 u c-8",
    ],
  },
  {
    name: "cases of a jump table",
    hex: "4883ec08 ffe0 660f1f440000 90909090 31c0 4883c408 c3",
    rules: ["0 rsp+8 u c-8", "4 rsp+16 u c-8", "16 rsp+8 u c-8"],
  },
  {
    name: "a function behind a call that does not return",
    hex: "50 e80a000000 0f1f8000000000 0f1f00 53 5b c3",
    rules: [
      "0 rsp+8 u c-8",
      "1 rsp+16 u c-8",
      "10 rsp+8 u c-8",
      "11 rsp+16 u c-8",
      "12 rsp+8 u c-8",
    ],
  },
  {
    name: "a thread's start, whose stack has no return address",
    hex: "0f05 85c0 7506 31ed 5f 41ffd1 c3",
    starts: [ADDRESS],
    rules: ["0 rsp+8 u c-8", "9 end", "c rsp+8 u c-8"],
  },
  {
    name: "a function that a symbol names",
    hex: "53 e800000000 53 5b c3",
    starts: [ADDRESS + 6],
    rules: ["0 rsp+8 u c-8", "1 rsp+16 u c-8", "6 rsp+8 u c-8", "7 rsp+16 u c-8", "8 rsp+8 u c-8"],
  },
  {
    name: "a way on behind hlt, which C libraries crash with",
    hex: "53 85ff 7401 f4 5b c3",
    rules: ["0 rsp+8 u c-8", "1 rsp+16 u c-8", "7 rsp+8 u c-8"],
  },
  {
    name: "a return address that a system call is made without",
    hex: "5a b83a000000 0f05 52 4889c7 c3",
    rules: ["0 rsp+8 u c-8", "1 rsp+0 u r1", "9 rsp+8 u c-8"],
  },
  {
    name: "arguments that are popped into rbp",
    hex: "55 53 6a00 e800010000 5d 4889ef 5b 5d c3",
    rules: [
      "0 rsp+8 u c-8",
      "1 rsp+16 c-16 c-8",
      "2 rsp+24 c-16 c-8",
      "4 rsp+32 c-16 c-8",
      "a rsp+24 c-16 c-8",
      "e rsp+16 c-16 c-8",
      "f rsp+8 u c-8",
    ],
  },
  {
    name: "what a jump table leads to, by the return behind it",
    hex: "4883ec08 ffe0 4883ec10 ffe0 31c0 4883c418 c3",
    rules: ["0 rsp+8 u c-8", "4 rsp+16 u c-8", "a rsp+32 u c-8", "12 rsp+8 u c-8"],
  },
  {
    name: "what a jump table leads to, by a jump to where the stack is known",
    hex: "55 4883ec20 85ff 7402 ffe0 4883c420 5d c3 31c0 ebf6",
    rules: [
      "0 rsp+8 u c-8",
      "1 rsp+16 c-16 c-8",
      "5 rsp+48 c-16 c-8",
      "f rsp+16 c-16 c-8",
      "10 rsp+8 u c-8",
      "11 rsp+48 c-16 c-8",
    ],
  },
  {
    name: "an over-aligned frame that is left by the frame pointer",
    hex: "ffe0 31c0 488d65e8 5b 415c 415d 5d c3",
    rules: [
      "0 rsp+8 u c-8",
      "2 rbp+16 c-16 c-8",
      "8 rsp+40 c-16 c-8",
      "9 rsp+32 c-16 c-8",
      "b rsp+24 c-16 c-8",
      "d rsp+16 c-16 c-8",
      "e rsp+8 u c-8",
    ],
  },
  {
    name: "a function behind a call that did not return in another function either",
    hex: "50 e8fa0f0000 0f1f8000000000 0f1f00 5353 31c031c031c031c090 e8e00f0000 53 31c0 5b c3",
    rules: [
      "0 rsp+8 u c-8",
      "1 rsp+16 u c-8",
      "10 rsp+8 u c-8",
      "11 rsp+16 u c-8",
      "12 rsp+24 u c-8",
      "20 rsp+8 u c-8",
      "21 rsp+16 u c-8",
      "24 rsp+8 u c-8",
    ],
  },
  { name: "padding alone", hex: "90 0f1f00 cccc", rules: ["0 gap"] },
];

describe("following the stack pointer", () => {
  for (const { name, hex, rules, starts } of functions) {
    it(name, () => assert.deepEqual(rulesOf(hex, starts), rules));
  }

  it("is not for what is no code", () => {
    assert.equal(rulesOf("06 07 16 17 1e 1f 27 2f 37 3f"), undefined);
  });

  for (const { path, sameShareMin } of installed) {
    it(`${path}: as its call frame information, mostly`, (test) => {
      const { same, all } = compare(path);
      test.diagnostic(`${((same / all) * 100).toFixed(2)} % of ${all} bytes`);
      assert.ok(same >= all * sameShareMin);
    });
  }
});

/** At the first byte of each rule of the flow, weighted by the bytes that it holds for. */
function compare(path: string): { same: number; all: number } {
  const elf = readElf(bytesAccess(readFileSync(path), path));
  const table = buildUnwindTable(elf);
  const section = elf.sections.find(({ name }) => name === ".text");
  assert.ok("rows" in table && section !== undefined);
  const bytes = elf.access.read(section.offset, section.size);
  const address = new FileSegments(elf).addressOf(section.offset);
  const rules = followStack(bytes, address, functionStarts(elf, Number.POSITIVE_INFINITY)) ?? [];
  let same = 0;
  let all = 0;
  for (const [index, rule] of rules.entries()) {
    const byteCount = (rules[index + 1]?.address ?? address + bytes.length) - rule.address;
    const truth = findRule(table, rule.address);
    if (truth === undefined || truth.kind === CFA_SPECIAL) continue;
    all += byteCount;
    const { kind, register, cfaOffset } = unpacked(rule.head, rule.offsets);
    // Where code keeps a frame pointer, both ways to the frame are right.
    const isByFrame = truth.register === 6;
    if (isByFrame || (kind === truth.kind && register === truth.register)) {
      if (isByFrame || cfaOffset === truth.cfaOffset) same += byteCount;
    }
  }
  return { same, all };
}

describe("x86-64 instructions", { skip: requirement("binutils") }, () => {
  for (const { path } of installed) {
    it(`${path}: are as long as objdump says`, (test) => {
      const text = execFileSync("objdump", ["-d", "-w", "-j", ".text", path], {
        encoding: "latin1",
        maxBuffer: OBJDUMP_BYTES_MAX,
      });
      const decoder = new X86Decoder();
      let count = 0;
      for (const [, hex, name] of text.matchAll(/:\t((?:[0-9a-f]{2} )+) *\t(\S+)/g)) {
        // A wait and the instruction behind it are written as one.
        if (name === "(bad)" || name?.startsWith("fst") || name === "finit") continue;
        const bytes = Uint8Array.fromHex((hex as string).replaceAll(" ", ""));
        assert.ok(decoder.decode(bytes, 0, bytes.length), `${hex}${name}`);
        assert.equal(decoder.length, bytes.length, `${hex}${name}`);
        count++;
      }
      test.diagnostic(`${count} instructions`);
      assert.ok(count > 0);
    });
  }
});
