import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { deflateSync, zstdCompressSync } from "node:zlib";
import { ByteWriter } from "./byte-writer.ts";
import { ADDRESSES, type DebugParts, debugImage, goodParts } from "./debug-image.ts";
import { SHT_SYMTAB } from "./elf-image.ts";
import { expectSymbols, requireEqual, type SymbolizeCase } from "./symbolize-case.ts";
import type { SymbolizeOutcome } from "./symbolize-run.ts";

const MIB = 1024 * 1024;
const SHF_COMPRESSED = 0x800;
const ZLIB = 1;
const ZSTD = 2;
const SHT_NOBITS = 8;

interface Packed {
  readonly kind: number;
  readonly size: number | bigint;
  readonly body: Uint8Array;
}

/** A section behind an Elf64_Chdr. */
function packed({ kind, size, body }: Packed): Uint8Array {
  return new ByteWriter().u32(kind).u32(0).u64(size).u64(1).put(body).bytes;
}

interface PackedCase {
  readonly name: string;
  /** Of a section, from its real contents. */
  readonly pack: (bytes: Uint8Array) => Uint8Array;
  readonly section?: ".debug_info" | ".debug_abbrev" | ".debug_line";
  readonly type?: number;
}

/** Which sections of the good program are packed in a hostile way; all else is as it should be. */
function packedCase({ name, pack, section = ".debug_info", type = 1 }: PackedCase): SymbolizeCase {
  return {
    name: `${section}: ${name}`,
    addresses: ADDRESSES,
    write: (folder) => {
      const image = debugImage(goodParts());
      const index = image.sections.findIndex((one) => one.name === section);
      const parts: Record<string, keyof DebugParts> = { ".debug_info": "info" };
      parts[".debug_abbrev"] = "abbrev";
      parts[".debug_line"] = "line";
      const { bytes } = goodParts()[parts[section] as "info"];
      image.sections.splice(index, 1);
      image.section(section, pack(bytes), { flags: SHF_COMPRESSED, type });
      const path = folder.file("program");
      image.write(path);
      return ["--binary", path];
    },
    check: expectSymbols,
  };
}

const zeros = (count: number): Uint8Array => new Uint8Array(count);
const bombs: Record<string, (size: number) => Uint8Array> = {
  zlib: (size) => deflateSync(zeros(size), { level: 1 }),
  zstd: (size) => zstdCompressSync(zeros(size)),
};

const kinds = [
  { kind: ZLIB, codec: "zlib" },
  { kind: ZSTD, codec: "zstd" },
];

const compressed: readonly PackedCase[] = kinds.flatMap(({ kind, codec }) => {
  const bomb = bombs[codec] as (size: number) => Uint8Array;
  return [
    ...[2n ** 40n, 2n ** 63n, 2n ** 64n - 1n, 0n].map((size) => ({
      name: `${codec} that says ${size} bytes`,
      pack: () => packed({ kind, size, body: bomb(1000) }),
    })),
    {
      name: `${codec} of 256 MiB of zeros`,
      pack: () => packed({ kind, size: 256 * MIB, body: bomb(256 * MIB) }),
    },
    {
      name: `${codec} of 256 MiB of zeros that says 1000 bytes`,
      pack: () => packed({ kind, size: 1000, body: bomb(256 * MIB) }),
    },
    {
      name: `${codec} that is cut`,
      pack: () => packed({ kind, size: MIB, body: bomb(MIB).subarray(0, -9) }),
    },
    { name: `${codec} of no bytes`, pack: () => packed({ kind, size: MIB, body: zeros(0) }) },
    {
      name: `${codec} of noise`,
      pack: () => packed({ kind, size: MIB, body: randomBytes(MIB) }),
    },
  ];
});

const broken: readonly PackedCase[] = [
  { name: "a compression that nobody knows", pack: (body) => packed({ kind: 77, size: 9, body }) },
  { name: "no room for the header", pack: () => zeros(7) },
  { name: "compressed, and not in the file", pack: () => zeros(64), type: SHT_NOBITS },
  {
    name: "as large as is believed",
    pack: () => {
      const body = deflateSync(Buffer.concat([randomBytes(2 * MIB), zeros(58 * MIB)]));
      return packed({ kind: ZLIB, size: 60 * MIB, body });
    },
  },
  {
    name: "compressed within compressed",
    pack: (bytes) => {
      const inner = packed({ kind: ZLIB, size: bytes.length, body: deflateSync(bytes) });
      return packed({ kind: ZLIB, size: inner.length, body: deflateSync(inner) });
    },
  },
];

const others: readonly PackedCase[] = ([".debug_abbrev", ".debug_line"] as const).map(
  (section) => ({
    name: "zlib of 256 MiB of zeros",
    section,
    pack: () =>
      packed({ kind: ZLIB, size: 256 * MIB, body: bombs["zlib"]?.(256 * MIB) ?? zeros(0) }),
  }),
);

/** The older way: "ZLIB" and a size before the bytes. */
const old: readonly SymbolizeCase[] = [2n ** 63n, 2n ** 40n, 256n * 2n ** 20n].map((size) => ({
  name: `.zdebug_info that says ${size} bytes`,
  addresses: ADDRESSES,
  write: (folder) => {
    const image = debugImage(goodParts());
    const index = image.sections.findIndex(({ name }) => name === ".debug_info");
    image.sections.splice(index, 1);
    const body = deflateSync(zeros(64 * MIB), { level: 1 });
    const bytes = new ByteWriter(false).put(Buffer.from("ZLIB")).u64(size).put(body).bytes;
    image.section(".zdebug_info", bytes);
    const path = folder.file("program");
    image.write(path);
    return ["--binary", path];
  },
  check: expectSymbols,
}));

function xz(bytes: Uint8Array, ...flags: string[]): Uint8Array {
  return execFileSync("xz", ["-0", "-c", ...flags], { input: bytes, maxBuffer: 64 * MIB });
}

interface MiniCase {
  readonly name: string;
  readonly data: () => Uint8Array;
}

/** A file without a symbol table, and what stands for one. */
function miniCase({ name, data }: MiniCase): SymbolizeCase {
  return {
    name: `.gnu_debugdata: ${name}`,
    addresses: ADDRESSES,
    write: (folder) => {
      const image = debugImage(goodParts());
      const index = image.sections.findIndex(({ type }) => type === SHT_SYMTAB);
      image.sections.splice(index, 2);
      image.section(".gnu_debugdata", data());
      const path = folder.file("program");
      image.write(path);
      return ["--binary", path];
    },
    check: expectNoneWrong,
  };
}

function expectNoneWrong({ answers }: SymbolizeOutcome): void {
  const names = answers.map(({ frames }) => frames.at(-1)?.systemName);
  requireEqual([names[0] ?? "good", names[1] ?? "bad", names[2]], ["good", "bad", undefined]);
}

const miniProgram = (): Uint8Array => debugImage(goodParts()).toBytes();

/** The one with the debug data in it, some times. */
function nested(times: number): Uint8Array {
  let bytes = xz(miniProgram());
  for (let left = times; left > 0; left--) {
    const image = debugImage(goodParts());
    image.section(".gnu_debugdata", bytes);
    bytes = xz(image.toBytes());
  }
  return bytes;
}

const minis: readonly MiniCase[] = [
  { name: "as it should be", data: () => xz(miniProgram()) },
  { name: "within itself, 20 deep", data: () => nested(20) },
  { name: "300 MiB of zeros", data: () => xz(zeros(300 * MIB)) },
  { name: "60 MiB of zeros", data: () => xz(zeros(60 * MIB)) },
  { name: "a dictionary of 1.5 GiB", data: () => xz(miniProgram(), "--lzma2=dict=1536MiB") },
  { name: "10,000 streams", data: () => new ByteWriter().times(10_000, xz(zeros(0))).bytes },
  { name: "padding of 15 MiB", data: () => Buffer.concat([xz(miniProgram()), zeros(15 * MIB)]) },
  { name: "cut", data: () => xz(miniProgram()).subarray(0, -40) },
  { name: "noise", data: () => randomBytes(MIB) },
  { name: "no bytes", data: () => zeros(0) },
  { name: "text", data: () => xz(Buffer.from("no ELF file\n")) },
];

/** Compressed sections and symbol tables. */
export const packedFiles: readonly SymbolizeCase[] = [
  ...[...compressed, ...broken, ...others].map(packedCase),
  ...old,
  ...minis.map(miniCase),
];
