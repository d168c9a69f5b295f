import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ProcessMapping } from "../../linux/process-mapping.ts";
import { Dictionary } from "../../profiles/dictionary.ts";
import { ListTable } from "../../profiles/list-table.ts";
import type { LoadSegment } from "../../symbols/elf/elf-file.ts";
import type { ExecutableInfo, Missing } from "../../symbols/executable-file.ts";
import { JitMaps } from "../../symbols/jit/jit-maps.ts";
import { KernelLayout } from "../../symbols/kernel/layout.ts";
import { type StackResult, sampleResult } from "./sample-record.ts";
import { StackLocations } from "./stack-locations.ts";
import { imageWith, mappingAt, registryOf } from "./testing/fakes.ts";

const TEXT = 0xffffffff9a000000n;
const MODULE = 0xffffffffc0400000n;

const kernel = new KernelLayout({
  textStart: TEXT,
  modules: [{ name: "nf_tables", start: MODULE, size: 0x1000 }],
  buildId: "abc0",
});

function segment(address: bigint, fileOffset: bigint): LoadSegment {
  return { address, fileOffset, fileSize: 0x10000n, memorySize: 0x10000n, executable: true };
}

function info(...segments: LoadSegment[]): ExecutableInfo {
  return { buildId: "b1d0", goBuildId: "", htlhash: "4a54", segments };
}

interface Given {
  readonly user?: readonly bigint[];
  readonly kernel?: readonly bigint[];
  readonly mappings?: readonly ProcessMapping[];
  /** The answer for the first mapping's file. */
  readonly file?: ExecutableInfo | Missing;
  readonly result?: StackResult;
  readonly layout?: KernelLayout;
}

/** Each location as "frame type file+address", leaf first. */
async function located(given: Given): Promise<{ texts: string[]; dictionary: Dictionary }> {
  const dictionary = Dictionary.create();
  const mappings = given.mappings ?? [];
  const executables = await registryOf(
    given.file === undefined ? [] : [[mappings[0] as ProcessMapping, given.file]],
  );
  const sources = { executables, jitMaps: new JitMaps(), kernel: given.layout ?? kernel };
  const stacks = new StackLocations(dictionary, sources);
  const raw = new ListTable();
  const locations: number[] = [];
  stacks.addKernel(locations, raw, internRaw(raw, given.kernel ?? []));
  const stack = internRaw(raw, given.user ?? []);
  const isChain = stacks.addUser(locations, raw, { image: imageWith(mappings), stack });
  stacks.addResult(
    locations,
    isChain ? (given.result ?? sampleResult.complete) : sampleResult.notAFrame,
  );
  return { texts: locations.map((location) => textOf(dictionary, location)), dictionary };
}

function internRaw(table: ListTable, addresses: readonly bigint[]): number {
  return table.intern(new Int32Array(BigUint64Array.from(addresses).buffer));
}

function textOf(dictionary: Dictionary, row: number): string {
  const { locations, mappings, strings, functions } = dictionary;
  const type = dictionary.findAttribute(locations.attributeSet.at(row), "profile.frame.type");
  const file = strings.at(mappings.filename.at(locations.mapping.at(row)));
  const line = locations.lineStart(row);
  const name =
    line === locations.lineEnd(row)
      ? `${file}+0x${locations.address.bigint(row).toString(16)}`
      : strings.at(functions.name.at(locations.lineFunction.at(line)));
  return `${type?.type === "string" ? type.value : ""} ${name}`;
}

describe("StackLocations", () => {
  it("gives a PIE's address in its file, the same wherever it was loaded", async () => {
    for (const base of [0x555500000000n, 0x7f0000000000n]) {
      const { texts } = await located({
        mappings: [mappingAt(base, { fileOffset: 0x1000n })],
        file: info(segment(0x2000n, 0x1000n)),
        user: [base + 0x10n],
      });
      assert.deepEqual(texts, ["native /usr/bin/main+0x2010"]);
    }
  });

  it("leaves the addresses of a file with fixed ones as they are", async () => {
    const { texts } = await located({
      mappings: [mappingAt(0x401000n, { fileOffset: 0x1000n })],
      file: info(segment(0x401000n, 0x1000n)),
      user: [0x401020n],
    });
    assert.deepEqual(texts, ["native /usr/bin/main+0x401020"]);
  });

  it("stops at a return address that lies in no code, and marks the stack", async () => {
    const { texts } = await located({
      mappings: [mappingAt(0x401000n)],
      file: info(segment(0x401000n, 0n)),
      user: [0x401020n, 0x7ffd00001234n, 0x401030n],
    });
    assert.deepEqual(texts, [
      "native /usr/bin/main+0x401020",
      "abort-marker [incomplete: no frame pointer]",
    ]);
  });

  it("gives the leaf as it is and callers one less, inside the call", async () => {
    const { texts } = await located({
      mappings: [mappingAt(0x401000n)],
      file: info(segment(0x401000n, 0n)),
      user: [0x401020n, 0x401030n, 0x401040n],
      kernel: [TEXT + 0x100n, TEXT + 0x200n],
    });
    assert.deepEqual(texts, [
      "kernel [kernel.kallsyms]+0x100",
      "kernel [kernel.kallsyms]+0x1ff",
      // Where the kernel was entered.
      "native /usr/bin/main+0x401020",
      "native /usr/bin/main+0x40102f",
      "native /usr/bin/main+0x40103f",
    ]);
  });

  it("finds the caller that ends its mapping, and not the one after it", async () => {
    const first = mappingAt(0x10000n, { path: "/lib/first.so" });
    const { texts } = await located({
      mappings: [first, mappingAt(0x20000n, { path: "/lib/second.so" })],
      file: info(segment(0n, 0n)),
      user: [0x10000n, 0x20000n],
    });
    assert.equal(texts[1], "native /lib/first.so+0xffff");
  });

  it("takes the file's offset where the file cannot be read", async () => {
    const { texts, dictionary } = await located({
      mappings: [mappingAt(0x7f0000000000n, { fileOffset: 0x3000n, buildId: "feed" })],
      file: { missing: "it is gone" },
      user: [0x7f0000000010n],
    });
    assert.deepEqual(texts, ["native /usr/bin/main+0x3010"]);
    const attributes = dictionary.mappings.attributeSet.at(1);
    assert.deepEqual(dictionary.findAttribute(attributes, "process.executable.build_id.gnu"), {
      type: "string",
      value: "feed",
    });
  });

  it("gives the vdso its own addresses", async () => {
    const { texts } = await located({
      mappings: [mappingAt(0x7ffc00000000n, { path: "[vdso]", inode: 0n })],
      file: info(segment(0n, 0n)),
      user: [0x7ffc00000a10n],
    });
    assert.deepEqual(texts, ["native [vdso]+0xa10"]);
  });

  it("leaves code without a file its place in memory", async () => {
    const mappings = [mappingAt(0x7f0000000000n, { path: "" })];
    const { texts } = await located({ mappings, user: [0x7f0000000010n, 0x7f0000000021n] });
    assert.deepEqual(texts, ["native [anon]+0x7f0000000010", "native [anon]+0x7f0000000020"]);
  });

  it("gives places in the kernel as distances, never where it lies", async () => {
    const { texts, dictionary } = await located({
      kernel: [MODULE + 0x20n, MODULE + 0x31n, TEXT + 0x1001n],
    });
    assert.deepEqual(texts, [
      "kernel [nf_tables]+0x20",
      "kernel [nf_tables]+0x30",
      "kernel [kernel.kallsyms]+0x1000",
    ]);
    assert.deepEqual(
      [1, 2].map((row) => dictionary.mappings.memoryStart.bigint(row)),
      [0n, 0n],
    );
  });

  it("gives nothing away of a kernel whose addresses are hidden", async () => {
    const layout = new KernelLayout({ textStart: 0n, modules: [], buildId: "" });
    const { texts } = await located({ layout, kernel: [TEXT + 0x100n, MODULE + 0x20n] });
    assert.deepEqual(new Set(texts), new Set(["kernel [kernel.kallsyms]+0x0"]));
  });

  const marks: Record<keyof typeof sampleResult, string | undefined> = {
    complete: undefined,
    kernelThread: undefined,
    truncated: "[truncated]",
    unreadable: "[incomplete: unreadable]",
    notAFrame: "[incomplete: no frame pointer]",
    compat: "[incomplete: 32-bit]",
    noRegisters: "[incomplete: no registers]",
    pending: "[incomplete: tables not loaded]",
    noMapping: "[incomplete: no mapping]",
    noRule: "[incomplete: no unwind rule]",
    noRegister: "[incomplete: register not known]",
    badFrame: "[incomplete: bad frame]",
  };
  for (const [result, mark] of Object.entries(marks)) {
    it(`marks a stack that ends with ${result} by ${mark ?? "nothing"}`, async () => {
      const code = sampleResult[result as keyof typeof sampleResult];
      const { texts } = await located({ result: code });
      assert.deepEqual(texts, mark === undefined ? [] : [`abort-marker ${mark}`]);
    });
  }
});
