import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import type { TemporaryFolder } from "../support/temporary-folder.ts";
import { ByteWriter } from "./byte-writer.ts";
import { requireEqual, type SymbolizeCase } from "./symbolize-case.ts";
import type { SymbolizeOutcome } from "./symbolize-run.ts";

const KERNEL = 0xffff_ffff_8100_0000n;
const MILLION = 1_000_000;

type Kind = "--binary" | "--perf-map" | "--jitdump" | "--kallsyms";
const KINDS: readonly Kind[] = ["--binary", "--perf-map", "--jitdump", "--kallsyms"];

interface PlaceCase {
  readonly name: string;
  readonly make: (path: string, folder: TemporaryFolder) => unknown;
  /** It has contents, which some kinds of files may have. */
  readonly isFile?: boolean;
}

/** What a user may name in place of a file. */
const places: readonly PlaceCase[] = [
  {
    name: "a FIFO",
    make: (path) => execFileSync("mkfifo", [path]),
  },
  { name: "a folder", make: (path) => mkdirSync(path) },
  { name: "/dev/zero", make: (path) => symlinkSync("/dev/zero", path) },
  { name: "/dev/full", make: (path) => symlinkSync("/dev/full", path) },
  {
    name: "/proc/self/mem",
    make: (path) => symlinkSync("/proc/self/mem", path),
  },
  { name: "a link to itself", make: (path) => symlinkSync("file", path) },
  { name: "an empty file", make: (path) => writeFileSync(path, ""), isFile: true },
  { name: "a link to nowhere", make: (path) => symlinkSync("gone", path) },
  { name: "nothing", make: () => {} },
  { name: "text", make: (path) => writeFileSync(path, "no such\nfile\n"), isFile: true },
  { name: "zeros", make: (path) => writeFileSync(path, new Uint8Array(65_536)), isFile: true },
  {
    name: "a file that nobody may read",
    make: (path) => {
      writeFileSync(path, "secret");
      chmodSync(path, 0);
    },
    isFile: true,
  },
];

/** Of all kinds but the first every other one: they are opened in one way. */
function placeCases(kind: Kind): SymbolizeCase[] {
  const tried = places.filter((_, index) => kind === "--binary" || index % 2 === 0);
  return tried.map(({ name, make, isFile = false }) => ({
    name: `${kind} of ${name}`,
    addresses: [0x1000],
    write: (folder) => {
      make(folder.file("file"), folder);
      return [kind, folder.file("file")];
    },
    check: ({ answers }) => {
      if (isFile && answers[0]?.frames.length === 0) return;
      throw new Error("what is no such file is named");
    },
  }));
}

interface AddressCase {
  readonly name: string;
  readonly kind: Kind;
  readonly bytes: () => Uint8Array;
  readonly addresses?: readonly number[];
  readonly names?: readonly (string | undefined)[];
}

function addressCase({
  name,
  kind,
  bytes,
  addresses = [0x1000],
  names,
}: AddressCase): SymbolizeCase {
  return {
    name: `${kind}: ${name}`,
    addresses,
    write: (folder) => {
      writeFileSync(folder.file("file"), bytes());
      return [kind, folder.file("file")];
    },
    check: (outcome: SymbolizeOutcome) => {
      if (names === undefined) return;
      const found = outcome.answers.map(({ frames }) => frames[0]?.function);
      requireEqual(found, names);
    },
  };
}

function lines(count: number, line: (index: number) => string): Buffer {
  const pieces: string[] = [];
  for (let index = 0; index < count; index++) pieces.push(line(index));
  return Buffer.from(pieces.join(""), "latin1");
}

const hex = (value: number | bigint): string => value.toString(16);

const maps: readonly Omit<AddressCase, "kind">[] = [
  {
    name: "a line of 10 MB",
    bytes: () => Buffer.from(`1000 10 ${"a".repeat(10 * MILLION)}\n2000 10 after\n`),
    addresses: [0x1000, 0x2000],
    names: [undefined, "after"],
  },
  {
    name: "10 MB without an end",
    bytes: () => Buffer.from(`1000 10 first\n2000 10 ${"a".repeat(10 * MILLION)}`),
    addresses: [0x1000, 0x2000],
    names: ["first", undefined],
  },
  {
    name: "a million lines over each other",
    bytes: () => lines(MILLION, (index) => `${hex(0x1000 + (index % 977))} 100000 f${index}\n`),
    addresses: [0x1000 + 976],
  },
  {
    name: "a million lines within each other",
    bytes: () => lines(MILLION, (index) => `${hex(MILLION - index)} ${hex(2 * index + 1)} f\n`),
    addresses: [MILLION],
  },
  {
    name: "2 million lines of nothing",
    bytes: () => Buffer.alloc(40 * MILLION, "nothing at all here\n"),
  },
  { name: "64 MB of line ends", bytes: () => Buffer.alloc(64 * MILLION, "\n") },
  { name: "64 MB of NULs", bytes: () => Buffer.alloc(64 * MILLION) },
  {
    name: "numbers beyond all addresses",
    bytes: () => Buffer.from(`${"f".repeat(400)} 10 a\nffffffffffffffff ffffffffffffffff b\n`),
  },
  {
    name: "names that command a terminal",
    bytes: () => Buffer.from("1000 10 \u001b]0;x\u0007\u001b[2J<script>\r\n"),
  },
];

const kallsyms: readonly Omit<AddressCase, "kind">[] = [
  {
    name: "10 million lines",
    bytes: () =>
      new ByteWriter().times(10 * MILLION, Buffer.from(`${hex(KERNEL)} T function\n`)).bytes,
  },
  {
    name: "a million lines, an address each",
    bytes: () => lines(MILLION, (index) => `${hex(KERNEL + BigInt(index * 16))} T f${index}\n`),
  },
  {
    name: "a million lines in falling order",
    bytes: () => lines(MILLION, (index) => `${hex(KERNEL + BigInt(2 ** 30 - index * 16))} T f\n`),
  },
  {
    name: "100,000 modules",
    bytes: () => lines(100_000, (index) => `${hex(KERNEL)} t f\t[module${index}]\n`),
  },
  { name: "a line of 10 MB", bytes: () => Buffer.from(`${hex(KERNEL)} T ${"a".repeat(1e7)}\n`) },
  { name: "10 MB without an end", bytes: () => Buffer.alloc(10 * MILLION, "a") },
  { name: "a bad line behind good ones", bytes: () => Buffer.from(`${hex(KERNEL)} T f\nbad\n`) },
  { name: "hidden addresses", bytes: () => Buffer.from("0000000000000000 T f\n") },
  { name: "NULs", bytes: () => new Uint8Array(MILLION) },
  { name: "modules without an end", bytes: () => Buffer.from(`${hex(KERNEL)} t f\t[mod`) },
];

const MAGIC = 0x4a695444;

/** A jitdump's header, and records of any length. */
function dump(write: (records: ByteWriter) => void, headerBytes = 40): Uint8Array {
  const bytes = new ByteWriter().u32(MAGIC).u32(1).u32(headerBytes).u32(62).u32(0).u32(1);
  bytes.u64(0).u64(0);
  write(bytes);
  return bytes.bytes;
}

/** JIT_CODE_LOAD of 16 bytes of code. */
function load(records: ByteWriter, address: number, name: string): void {
  records
    .u32(0)
    .u32(16 + 40 + name.length + 1)
    .u64(0);
  records.u32(1).u32(1).u64(address).u64(address).u64(16).u64(address).text(name);
}

const dumps: readonly Omit<AddressCase, "kind">[] = [
  ...[0, 1, 15, 0xffff_ffff].map((size) => ({
    name: `a record of ${size} bytes`,
    bytes: () =>
      dump((records) => {
        load(records, 0x1000, "first");
        records.u32(0).u32(size).u64(0).times(100, [0]);
      }),
    names: ["first"],
  })),
  ...[0, 39, 0xffff_ffff].map((size) => ({
    name: `a header of ${size} bytes`,
    bytes: () => dump((records) => load(records, 0x1000, "first"), size),
  })),
  {
    name: "500,000 records of 16 bytes",
    bytes: () =>
      dump((records) => records.times(MILLION / 2, [0, 0, 0, 0, 16, ...new Array(11).fill(0)])),
  },
  {
    name: "600,000 functions over each other",
    bytes: () => {
      const one = new ByteWriter();
      load(one, 0x1000, "f");
      return dump((records) => records.times(600_000, one.bytes));
    },
    names: ["f"],
  },
  {
    name: "2^62 lines in a record",
    bytes: () =>
      dump((records) => {
        records
          .u32(2)
          .u32(16 + 16 + 18)
          .u64(0)
          .u64(0x1000)
          .u64(2n ** 62n);
        records.u64(0x1000).u32(7).u32(0).text("a");
        load(records, 0x1000, "first");
      }),
    names: ["first"],
  },
  {
    name: "lines of a record, moved 100,000 times",
    bytes: () =>
      dump((records) => {
        const count = 1000;
        records
          .u32(2)
          .u32(32 + 18 * count)
          .u64(0)
          .u64(0x1000)
          .u64(count);
        for (let index = 0; index < count; index++) {
          records.u64(0x1000).u32(index).u32(0).text("a");
        }
        load(records, 0x1000, "first");
        const move = new ByteWriter().u32(1).u32(64).u64(0).u32(1).u32(1).u64(0);
        records.times(100_000, move.u64(0x1000).u64(0x1000).u64(16).u64(0x1000).bytes);
      }),
    names: ["first"],
  },
  {
    name: "a name without an end",
    bytes: () => dump((records) => records.u32(0).u32(80).u64(0).times(64, [0x41])),
  },
  {
    name: "a function of 64 MB",
    bytes: () => dump((records) => records.u32(0).u32(64_000_000).u64(0).times(64_000_000, [65])),
  },
];

/** Files that say themselves what is at addresses, and what is no file at all. */
export const addressFiles: readonly SymbolizeCase[] = [
  ...KINDS.flatMap(placeCases),
  ...maps.map((one) => addressCase({ ...one, kind: "--perf-map" })),
  ...kallsyms.map((one) => addressCase({ ...one, kind: "--kallsyms" })),
  ...dumps.map((one) => addressCase({ ...one, kind: "--jitdump" })),
];
