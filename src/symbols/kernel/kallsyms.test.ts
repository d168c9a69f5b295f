import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { requirement } from "../../../test/support/requirements.ts";
import { KernelSymbols, parseKallsyms } from "./kallsyms.ts";
import { parseModules } from "./modules.ts";
import { kernelBuildId } from "./notes.ts";

const SMALL = [
  "ffffffff81000000 T _stext",
  "ffffffff81000000 T _text",
  "ffffffff81000100 t helper",
  "ffffffff81000100 T exported",
  "ffffffff81000100 W aweak",
  "ffffffff81000200 t last",
  "ffffffff81000300 T _etext",
  "ffffffff81000400 T behind",
  "ffffffff81001000 D data",
  "ffffffff82000000 T _sinittext",
  "ffffffff82000010 t at_start",
  "ffffffff82000100 T _einittext",
  "ffffffffc0001000 t module_first\t[tiny]",
  "ffffffffc0001800 t module_last\t[tiny]",
  "ffffffffc0003000 t other\t[other]",
  "ffffffffc0100000 t bpf_prog_6deef7357e7b4530_one\t[bpf]",
  "ffffffffc0100040 t bpf_prog_6deef7357e7b4530_two\t[bpf]",
].join("\n");

function symbolsOf(text: string, modules = ""): KernelSymbols {
  const symbols = parseKallsyms([Buffer.from(text)], parseModules(modules));
  assert.ok(symbols instanceof KernelSymbols);
  return symbols;
}

const lookups = [
  { name: "a global name before local and weak ones", at: 0xffffffff81000100n, is: "exported" },
  { name: "inside of a function", at: 0xffffffff810001ffn, is: "exported" },
  { name: "the last byte of the kernel's code", at: 0xffffffff810002ffn, is: "last" },
  { name: "nothing at _etext", at: 0xffffffff81000300n, is: undefined },
  { name: "nothing behind _etext", at: 0xffffffff81000401n, is: undefined },
  { name: "nothing before the first", at: 0xffffffff80ffffffn, is: undefined },
  { name: "code for starting up", at: 0xffffffff82000011n, is: "at_start" },
  { name: "nothing behind the code for starting up", at: 0xffffffff82000100n, is: undefined },
  { name: "a module's function", at: 0xffffffffc00017ffn, is: "module_first [tiny]" },
  { name: "a module's last function", at: 0xffffffffc0001fffn, is: "module_last [tiny]" },
  { name: "nothing behind a module's page", at: 0xffffffffc0002000n, is: undefined },
  { name: "a BPF program", at: 0xffffffffc010003fn, is: "bpf_prog_6deef7357e7b4530_one [bpf]" },
  { name: "nothing far behind a BPF program", at: 0xffffffffc0200000n, is: undefined },
  { name: "nothing in the user's half", at: 0x401000n, is: undefined },
];

describe("kallsyms", () => {
  const symbols = symbolsOf(SMALL);
  for (const { name, at, is } of lookups) {
    it(`finds ${name}`, () => {
      const found = symbols.lookup(at);
      const text = found && (found.module === "" ? found.name : `${found.name} [${found.module}]`);
      assert.equal(text, is);
    });
  }

  it("reads the same in pieces of any size", () => {
    const bytes = Buffer.from(SMALL);
    for (let size = 1; size <= 60; size++) {
      const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
        bytes.subarray(index * size, (index + 1) * size),
      );
      const inPieces = parseKallsyms(pieces);
      assert.ok(inPieces instanceof KernelSymbols);
      for (const { at } of lookups) assert.deepEqual(inPieces.lookup(at), symbols.lookup(at));
    }
  });

  it("refuses a line that does not end", () => {
    const pieces = Array.from({ length: 5 }, () => Buffer.from("f".repeat(1000)));
    assert.throws(() => parseKallsyms(pieces), { code: "INPUT_MALFORMED" });
  });

  it("knows where the kernel begins", () => {
    assert.equal(symbols.textStart, 0xffffffff81000000n);
    assert.equal(symbolsOf("ffffffff81000000 T _stext").textStart, 0xffffffff81000000n);
  });

  it("passes over the offsets of per-CPU data that older kernels list first", () => {
    const offsets = "0000000000000000 A __per_cpu_start\n0000000000001000 A cpu_debug_store\n";
    assert.equal(symbolsOf(offsets + SMALL).textStart, 0xffffffff81000000n);
    assert.equal(symbolsOf(offsets + SMALL).lookup(0xffffffff81000200n)?.name, "last");
  });

  it("ends a module's last function where /proc/modules says", () => {
    const bounded = symbolsOf(SMALL, "tiny 2064 0 - Live 0xffffffffc0001000\n");
    assert.equal(bounded.lookup(0xffffffffc000180fn)?.name, "module_last");
    assert.equal(bounded.lookup(0xffffffffc0001810n), undefined);
  });

  it("says that addresses are hidden", () => {
    const hidden = parseKallsyms([Buffer.from("0000000000000000 T _text\n0000000000000000 t a\n")]);
    assert.match("missing" in hidden ? hidden.missing : "", /kptr_restrict/);
  });

  it("says that there is nothing", () => {
    assert.ok("missing" in parseKallsyms([]));
    assert.ok("missing" in parseKallsyms([Buffer.from("ffffffff81000000 D data\n")]));
  });

  for (const line of [
    " T a",
    "xyz T a",
    "ffffffff81000000T a",
    "ffffffff81000000 T ",
    "1 T a\t[b",
  ]) {
    it(`refuses ${JSON.stringify(line)} and says where`, () => {
      const text = Buffer.from(`ffffffff81000000 T _text\n${line}\n`);
      assert.throws(() => parseKallsyms([text]), {
        code: "INPUT_MALFORMED",
        message: /offset \d+/,
      });
    });
  }

  it("names each function of the running kernel as the file does", {
    skip: requirement("kallsyms"),
  }, () => {
    const bytes = readFileSync("/proc/kallsyms");
    const real = parseKallsyms([bytes]);
    assert.ok(real instanceof KernelSymbols);
    const namesAt = new Map<string, Set<string>>();
    for (const line of bytes.toString().split("\n")) {
      const [address, type, name] = line.split(/[ \t]/);
      if (!address || !name || !/^[tTwW]$/.test(type ?? "")) continue;
      if (!namesAt.has(address)) namesAt.set(address, new Set());
      namesAt.get(address)?.add(name);
    }
    let named = 0;
    for (const [address, names] of namesAt) {
      const found = real.lookup(BigInt(`0x${address}`));
      if (found === undefined) continue;
      assert.ok(names.has(found.name), `${address} is ${found.name}`);
      named++;
    }
    assert.ok(named >= real.count * 0.95, `${named} of ${real.count} have a name`);
  });
});

describe("/proc/modules", () => {
  it("reads names, sizes and starts, and passes over the rest", () => {
    const text =
      "nf_tables 315392 2 nft_chain_nat,nft_compat, Live 0xffffffffc0a00000 (OE)\nbroken\n";
    const expected = [{ name: "nf_tables", start: 0xffffffffc0a00000n, size: 315392 }];
    assert.deepEqual(parseModules(text), expected);
  });
});

describe("/sys/kernel/notes", () => {
  it("holds the kernel's build id", () => {
    assert.match(kernelBuildId(readFileSync("/sys/kernel/notes")), /^[0-9a-f]{40}$/);
    assert.equal(kernelBuildId(new Uint8Array(0)), "");
  });
});
