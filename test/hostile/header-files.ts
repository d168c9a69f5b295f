import {
  BASE,
  ElfImage,
  PAGE,
  PF_R,
  PF_RX,
  PT_DYNAMIC,
  PT_GNU_EH_FRAME,
  PT_LOAD,
  PT_NOTE,
  packed,
  SHT_NOTE,
  SHT_STRTAB,
  setWord,
  TEXT_AT,
  type WrittenProgram,
} from "./elf-image.ts";
import type { HostileFile } from "./hostile-files.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const PT_TLS = 7;
/** The kernel reads 64 KiB of program headers. */
const PROGRAMS_MAX = 1170;
const NT_GNU_BUILD_ID = 3;
const DT_ENTRIES = [1, 4, 5, 6, 7, 17, 23, 0x6ffffef5];

/** The ELF header's fields by their offset. */
const E_SHOFF = 40;
const E_EHSIZE = 52;
const E_SHENTSIZE = 58;
const E_SHNUM = 60;
const E_SHSTRNDX = 62;
const SECTION_BYTES = 64;

/** Fields of the ELF header that the kernel does not look at. */
const tweaked: { name: string; tweak: (header: DataView) => void }[] = [
  { name: "section headers beyond the end", tweak: (h) => setWord(h, E_SHOFF, 2 ** 45) },
  { name: "section headers at 2^64 − 1", tweak: (h) => setWord(h, E_SHOFF, -1) },
  { name: "section headers in the ELF header", tweak: (h) => setWord(h, E_SHOFF, 0x10) },
  { name: "65,535 sections", tweak: (h) => h.setUint16(E_SHNUM, 0xffff, true) },
  { name: "section entries of no bytes", tweak: (h) => h.setUint16(E_SHENTSIZE, 0, true) },
  { name: "section entries of 65,535 bytes", tweak: (h) => h.setUint16(E_SHENTSIZE, 0xffff, true) },
  { name: "names of sections in no section", tweak: (h) => h.setUint16(E_SHSTRNDX, 0xfffe, true) },
  { name: "an ELF header of 65,535 bytes", tweak: (h) => h.setUint16(E_EHSIZE, 0xffff, true) },
];

/** Section 0 says what the ELF header has no room for. */
function longCounts(seconds: number, size: number | bigint, link: number, info: number): ElfImage {
  const image = new ElfImage(seconds);
  image.hasSections = false;
  const section = new Uint8Array(SECTION_BYTES);
  const view = new DataView(section.buffer);
  setWord(view, 32, size);
  view.setUint32(40, link, true);
  view.setUint32(44, info, true);
  const at = image.append(section);
  image.tweaks.push((header) => {
    setWord(header, E_SHOFF, at);
    header.setUint16(E_SHNUM, 0, true);
    header.setUint16(E_SHSTRNDX, 0xffff, true);
  });
  return image;
}

/** 65,536 sections of one long name, and of the type. */
function manySections(seconds: number, type: number): ElfImage {
  const image = new ElfImage(seconds);
  image.hasSections = false;
  const names = image.append(Buffer.from(`${"n".repeat(255)}\0`));
  const table = packed(65_536, SECTION_BYTES, (view, at, index) => {
    view.setUint32(at + 4, index === 1 ? SHT_STRTAB : type, true);
    setWord(view, at + 24, names);
    setWord(view, at + 32, index === 0 ? 65_536 : 256);
  });
  const at = image.append(table);
  image.tweaks.push((header) => {
    setWord(header, E_SHOFF, at);
    header.setUint16(E_SHENTSIZE, SECTION_BYTES, true);
    header.setUint16(E_SHSTRNDX, 1, true);
  });
  return image;
}

function withPrograms(seconds: number, programs: readonly WrittenProgram[]): ElfImage {
  const image = new ElfImage(seconds);
  image.append(new Uint8Array(PAGE), PAGE);
  image.programs.push(...programs);
  return image;
}

/** One page of the file again and again. */
function manyLoads(seconds: number, count: number, flags: number): ElfImage {
  const loads = Array.from({ length: count }, (_, index) => ({
    type: PT_LOAD,
    flags,
    offset: TEXT_AT,
    address: 0x1000_0000 + index * 2 * PAGE,
    fileSize: PAGE,
  }));
  return withPrograms(seconds, loads);
}

const programFiles: readonly HostileFile[] = [
  {
    name: "120 segments of one page",
    image: (seconds) => manyLoads(seconds, 120, PF_RX),
  },
  {
    name: "more program headers than are read",
    image: (seconds) => manyLoads(seconds, PROGRAMS_MAX - 2, PF_R),
  },
  {
    name: "notes, tables and thread data that wrap around 2^64",
    image: (seconds) =>
      withPrograms(
        seconds,
        [PT_NOTE, PT_DYNAMIC, PT_TLS, PT_GNU_EH_FRAME, 0x6fff_ffff].map((type) => ({
          type,
          offset: -PAGE,
          address: -8,
          fileSize: -1,
          memorySize: -1,
        })),
      ),
  },
  {
    name: "segments that lie over each other",
    image: (seconds) =>
      withPrograms(seconds, [
        { type: PT_LOAD, flags: PF_R, offset: 0, address: BASE, fileSize: 2 * PAGE },
        { type: PT_LOAD, flags: PF_RX, offset: 0, address: BASE + PAGE, fileSize: 2 * PAGE },
      ]),
  },
  {
    name: "code of 4 GiB beyond the file's end",
    image: (seconds) => {
      const image = new ElfImage(seconds);
      image.mapsText = false;
      const fileSize = 4 * GIB - 2 * PAGE;
      image.programs.push({ type: PT_LOAD, flags: PF_RX, offset: 0, fileSize });
      return image;
    },
  },
  {
    name: "code at both ends of the address space",
    image: (seconds) =>
      withPrograms(seconds, [
        { type: PT_LOAD, flags: PF_RX, offset: 0, address: 0x7000_0000_0000, fileSize: PAGE },
      ]),
  },
  {
    name: "memory of 1 TiB behind the file's bytes that is never written",
    image: (seconds) =>
      withPrograms(seconds, [
        {
          type: PT_LOAD,
          flags: PF_R,
          offset: TEXT_AT,
          address: 0x10_0000_0000,
          fileSize: PAGE,
          memorySize: 64 * MIB,
        },
      ]),
  },
];

function note(name: string, desc: Uint8Array, sizes: Partial<NoteSizes> = {}): Uint8Array {
  const owner = Buffer.from(`${name}\0`);
  const padded = Math.ceil(owner.length / 4) * 4;
  const bytes = new Uint8Array(12 + padded + desc.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, sizes.name ?? owner.length, true);
  view.setUint32(4, sizes.desc ?? desc.length, true);
  view.setUint32(8, NT_GNU_BUILD_ID, true);
  bytes.set(owner, 12);
  bytes.set(desc, 12 + padded);
  return bytes;
}

interface NoteSizes {
  readonly name: number;
  readonly desc: number;
}

function withNote(seconds: number, bytes: Uint8Array): ElfImage {
  const image = new ElfImage(seconds);
  const offset = image.append(bytes);
  image.programs.push({ type: PT_NOTE, offset, fileSize: bytes.length });
  image.sections.push({ name: ".note", type: SHT_NOTE, offset, size: bytes.length });
  return image;
}

const noteFiles: readonly HostileFile[] = [
  {
    name: "a note whose name has 2^32 − 1 bytes",
    image: (s) => withNote(s, note("GNU", new Uint8Array(20), { name: 0xffff_ffff })),
  },
  {
    name: "a note whose contents have 2^32 − 1 bytes",
    image: (s) => withNote(s, note("GNU", new Uint8Array(20), { desc: 0xffff_ffff })),
  },
  {
    name: "a build id of 2^31 bytes",
    image: (seconds) => {
      const image = new ElfImage(seconds);
      image.mapsData = false;
      const size = 2 ** 31;
      const offset = image.append(note("GNU", new Uint8Array(0), { desc: size }));
      image.hole(size);
      image.programs.push({ type: PT_NOTE, offset, fileSize: size + 16 });
      image.sections.push({ name: ".note", type: SHT_NOTE, offset, size: size + 16 });
      return image;
    },
  },
  { name: "a build id of 300 bytes", image: (s) => withNote(s, note("GNU", new Uint8Array(300))) },
  { name: "a build id of no bytes", image: (s) => withNote(s, note("GNU", new Uint8Array(0))) },
  {
    name: "16,000 notes of nothing",
    image: (seconds) => {
      const empty = note("XYZ", new Uint8Array(0));
      return withNote(seconds, new Uint8Array(Buffer.concat(Array(4000).fill(empty))));
    },
  },
];

/** A dynamic table whose entries all lead to the table. */
const dynamicFile: HostileFile = {
  name: "a dynamic table in a circle",
  image: (seconds) => {
    const image = new ElfImage(seconds);
    const at = image.textEnd;
    const bytes = packed(1024, 16, (view, entry, index) => {
      setWord(view, entry, DT_ENTRIES[index % DT_ENTRIES.length] as number);
      setWord(view, entry + 8, BASE + at);
    });
    image.append(bytes);
    image.programs.push({ type: PT_DYNAMIC, offset: at, fileSize: bytes.length });
    const section = { offset: at, size: bytes.length, entrySize: 16, link: 1 };
    image.sections.push({ name: ".dynamic", type: 6, ...section });
    image.sections.push({ name: ".hash", type: 5, ...section, link: 2, entrySize: 0 });
    return image;
  },
};

/** Names of files with debug information that lead back to the program. */
const linkFile: HostileFile = {
  name: "debug links to the program itself",
  image: (seconds) => {
    const image = new ElfImage(seconds);
    const target = Buffer.concat([Buffer.from("/proc/self/exe\0\0"), Buffer.alloc(4)]);
    image.section(".gnu_debuglink", target);
    image.section(".gnu_debugaltlink", target);
    image.section(".debug_info", Buffer.alloc(64, 0xff));
    return image;
  },
};

/**
 * A program that claims to be another.
 *
 * @param buildId  that of the other, as the machine's C library
 */
export function imposter(seconds: number, buildId: Uint8Array): ElfImage {
  return withNote(seconds, note("GNU", buildId));
}

/** Executables with hostile headers, segments and notes. */
export const headerFiles: readonly HostileFile[] = [
  ...tweaked.map(({ name, tweak }) => ({
    name,
    image: (seconds: number) => {
      const image = new ElfImage(seconds);
      image.tweaks.push(tweak);
      return image;
    },
  })),
  { name: "2^32 sections, counted in section 0", image: (s) => longCounts(s, 2 ** 32, 1, 1) },
  {
    name: "2^64 − 1 sections and program headers, counted in section 0",
    image: (s) => longCounts(s, -1n, 0xffff_ffff, 0xffff_ffff),
  },
  { name: "65,536 sections that are there", image: (s) => manySections(s, 1) },
  { name: "65,536 sections of notes", image: (s) => manySections(s, SHT_NOTE) },
  ...programFiles,
  ...noteFiles,
  dynamicFile,
  linkFile,
];
