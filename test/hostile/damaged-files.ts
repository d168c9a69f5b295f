/**
 * Real programs, damaged in one place: whatever the damage, no function gets the name of another.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { type ElfFile, readElf, type Section } from "../../src/symbols/elf/elf-file.ts";
import { bytesAccess } from "../../src/symbols/elf/random-access.ts";
import { randomAddresses, textOf } from "../consensus/addresses.ts";
import { buildConsensusProgram, gccProgram, programs } from "../consensus/programs.ts";
import { requirement } from "../support/requirements.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { ByteWriter } from "./byte-writer.ts";
import type { SymbolizeCase } from "./symbolize-case.ts";
import { type Answered, type SymbolizeOutcome, symbolize } from "./symbolize-run.ts";

const ADDRESSES = 12;
const SEED = 6;

/** An undamaged program and what is said of it. */
interface RealProgram {
  readonly name: string;
  readonly path: () => string;
  readonly skip: string | false;
}

const bigEndian = programs.find(({ name }) => name.includes("mips,")) ?? gccProgram;

const realPrograms: readonly RealProgram[] = [
  {
    name: "x86-64",
    path: () => buildConsensusProgram(gccProgram),
    skip: requirement("binutils"),
  },
  {
    name: "32 bits, big endian",
    path: () => buildConsensusProgram(bigEndian),
    skip: requirement(...bigEndian.needs),
  },
];

/** What is written over a program's bytes. */
type Damage = (bytes: Buffer, elf: ElfFile) => Uint8Array | undefined;

interface DamagedCase {
  readonly name: string;
  readonly damage: Damage;
}

const headerFields = [
  { field: "EI_CLASS", at64: 4, at32: 4, bytes: 1 },
  { field: "EI_DATA", at64: 5, at32: 5, bytes: 1 },
  { field: "e_type", at64: 16, at32: 16, bytes: 2 },
  { field: "e_machine", at64: 18, at32: 18, bytes: 2 },
  { field: "e_phoff", at64: 32, at32: 28, bytes: 0 },
  { field: "e_shoff", at64: 40, at32: 32, bytes: 0 },
  { field: "e_phentsize", at64: 54, at32: 42, bytes: 2 },
  { field: "e_phnum", at64: 56, at32: 44, bytes: 2 },
  { field: "e_shentsize", at64: 58, at32: 46, bytes: 2 },
  { field: "e_shnum", at64: 60, at32: 48, bytes: 2 },
  { field: "e_shstrndx", at64: 62, at32: 50, bytes: 2 },
];

const headers: readonly DamagedCase[] = headerFields.flatMap(({ field, at64, at32, bytes }) =>
  ["zeros", "ones"].map((value) => ({
    name: `${field} of ${value}`,
    damage: (program, { is64 }) => {
      const at = is64 ? at64 : at32;
      const size = bytes === 0 ? (is64 ? 8 : 4) : bytes;
      return program.fill(value === "ones" ? 0xff : 0, at, at + size);
    },
  })),
);

/** Where fields of a section's header are. */
const SECTION_FIELDS = {
  sh_name: { at64: 0, at32: 0, bytes: 4 },
  sh_type: { at64: 4, at32: 4, bytes: 4 },
  sh_flags: { at64: 8, at32: 8, bytes: 0 },
  sh_addr: { at64: 16, at32: 12, bytes: 0 },
  sh_offset: { at64: 24, at32: 16, bytes: 0 },
  sh_size: { at64: 32, at32: 20, bytes: 0 },
  sh_link: { at64: 40, at32: 24, bytes: 4 },
  sh_entsize: { at64: 56, at32: 36, bytes: 0 },
} as const;

type SectionField = keyof typeof SECTION_FIELDS;

/** Writes a field of a section's header, of all sections when no name is given. */
function setField(
  program: Buffer,
  elf: ElfFile,
  { field, value, section }: { field: SectionField; value: bigint; section?: string },
): Buffer | undefined {
  const { is64, littleEndian } = elf;
  const header = Buffer.from(program);
  const { at64, at32, bytes } = SECTION_FIELDS[field];
  const table = is64
    ? Number(littleEndian ? header.readBigUInt64LE(40) : header.readBigUInt64BE(40))
    : littleEndian
      ? header.readUInt32LE(32)
      : header.readUInt32BE(32);
  const written = new ByteWriter(littleEndian);
  const isLong = is64 && bytes === 0;
  if (isLong) written.u64(value);
  else written.u32(Number(BigInt.asUintN(32, value)));
  let isChanged = false;
  for (const [index, { name }] of elf.sections.entries()) {
    if (section !== undefined && name !== section) continue;
    program.set(written.bytes, table + index * (is64 ? 64 : 40) + (is64 ? at64 : at32));
    isChanged = true;
  }
  return isChanged ? program : undefined;
}

const READ_SECTIONS = [
  ...[".symtab", ".strtab", ".dynsym", ".dynstr", ".shstrtab", ".text", ".plt", ".rela.plt"],
  ...[".debug_info", ".debug_abbrev", ".debug_line", ".debug_line_str", ".debug_str"],
  ...[".debug_rnglists", ".debug_aranges", ".debug_addr", ".debug_str_offsets"],
];

const sections: readonly DamagedCase[] = READ_SECTIONS.flatMap((section) =>
  (
    [
      ["sh_size", 0n],
      ["sh_offset", 0x7fff_0000n],
    ] as const
  ).map(([field, value]) => ({
    name: `${section} with ${field} ${value}`,
    damage: (program: Buffer, elf: ElfFile) => setField(program, elf, { field, value, section }),
  })),
);

/** One field of all sections at once. */
const all: readonly DamagedCase[] = (
  [
    ["sh_offset", 0n],
    ["sh_offset", 2n ** 64n - 1n],
    ["sh_size", 2n ** 64n - 1n],
    ["sh_size", 64n],
    ["sh_type", 2n],
    ["sh_type", 8n],
    ["sh_name", 0n],
    ["sh_name", 0xffff_ffffn],
    ["sh_link", 0xffff_ffffn],
    ["sh_entsize", 1n],
    ["sh_flags", 0x804n],
    ["sh_addr", 2n ** 64n - 1n],
  ] as const
).map(([field, value]) => ({
  name: `all sections with ${field} ${value}`,
  damage: (program: Buffer, elf: ElfFile) => setField(program, elf, { field, value }),
}));

/** Of sections that have bytes in the file, by where they begin. */
function boundaries({ sections: found }: ElfFile): number[] {
  const isInFile = ({ type, size }: Section): boolean => type !== 0 && type !== 8 && size > 0;
  return found.filter(isInFile).map(({ offset }) => offset);
}

/** Numbers of sections; a program has fewer. */
const NUMBERS = Array.from({ length: 40 }, (_, index) => index);

/** Where section headers are at the end, a file that is cut has none, wherever that is. */
const cuts: readonly DamagedCase[] = NUMBERS.filter((index) => index % 16 === 0).map((index) => ({
  name: `cut before section ${index}`,
  damage: (program, elf) => {
    const at = boundaries(elf)[index];
    return at === undefined ? undefined : program.subarray(0, at);
  },
}));

/** With the headers of sections whose bytes are not there any more. */
const blanks: readonly DamagedCase[] = NUMBERS.filter((index) => index % 2 === 0).map((index) => ({
  name: `without what is from section ${index} on`,
  damage: (program, elf) => {
    const at = boundaries(elf)[index];
    const end = Math.max(...elf.sections.map(({ offset, size }) => offset + size));
    return at === undefined ? undefined : program.fill(0, at, end);
  },
}));

const known = new Map<string, Promise<SymbolizeOutcome>>();

/** What is said of the program itself. */
function answersOf(path: string, addresses: readonly number[]): Promise<SymbolizeOutcome> {
  return known.getOrInsertComputed(path, async () => {
    using folder = temporaryFolder();
    return await symbolize(["--binary", path], addresses, folder.path);
  });
}

/** Copies of a function that a compiler made are named after it. */
function plainName({ frames }: Answered): string {
  return (frames.at(-1)?.systemName ?? "").replace(
    /\.(?:cold|part|isra|constprop|lto_priv).*$/,
    "",
  );
}

async function requireNoWrongName(path: string, outcome: SymbolizeOutcome): Promise<void> {
  const { answers } = outcome;
  const base = await answersOf(
    path,
    answers.map(({ address }) => Number(address)),
  );
  for (const [index, answer] of answers.entries()) {
    const right = base.answers[index] as Answered;
    const [found, expected] = [plainName(answer), plainName(right)];
    if (found === "" || found === expected) continue;
    // Without its symbol a function is named by the debug information, which has its bare name.
    const [bare = ""] = found.split("<");
    if (right.frames.at(-1)?.function.includes(bare)) continue;
    throw new Error(`${answer.address} is ${found} and not ${expected}`);
  }
}

function realCases({ name: of, path, skip }: RealProgram): SymbolizeCase[] {
  if (skip !== false) return [{ name: of, skip, addresses: [], write: () => [] }];
  const program = path();
  const elf = readElf(bytesAccess(readFileSync(program), program));
  const addresses = randomAddresses(textOf(program), ADDRESSES, SEED);
  const made = [...all, ...cuts, ...(elf.is64 ? [...headers, ...blanks, ...sections] : [])];
  return made.flatMap(({ name, damage }) => {
    if (damage(readFileSync(program), elf) === undefined) return [];
    return [
      {
        name: `${of}: ${name}`,
        addresses,
        write: (folder) => {
          const damaged = damage(readFileSync(program), elf);
          writeFileSync(folder.file("program"), damaged ?? "");
          return ["--binary", folder.file("program")];
        },
        check: (outcome) => requireNoWrongName(program, outcome),
      } satisfies SymbolizeCase,
    ];
  });
}

/** Files of compilers that were damaged. */
export const damagedFiles: readonly SymbolizeCase[] = realPrograms.flatMap(realCases);
