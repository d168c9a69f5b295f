import {
  type Abbreviation,
  ADDRESSES,
  AT_ABSTRACT_ORIGIN,
  AT_HIGH_PC,
  AT_LOW_PC,
  AT_NAME,
  AT_SIBLING,
  abbreviations,
  BAD_START,
  badFunction,
  badUnit,
  debugImage,
  FORM_ADDR,
  FORM_DATA8,
  FORM_REF4,
  FORM_STRING,
  FORM_STRP,
  FUNCTION_BYTES,
  goodParts,
  PARENT,
  ROOT_BYTES,
  ROOT_FORMS,
  root,
  SCOPE,
  section,
  TAG_BLOCK,
  TAG_CLASS,
  TAG_INLINED,
  TAG_NAMESPACE,
  TAG_SUBPROGRAM,
  UNIT,
  UNIT_HEADER_BYTES,
  unit,
} from "./debug-image.ts";
import type { WrittenSection } from "./elf-image.ts";
import { debugCase, expectNames, type SymbolizeCase } from "./symbolize-case.ts";

const MIB = 1024 * 1024;
const MILLION = 1_000_000;

const depths: readonly SymbolizeCase[] = [
  debugCase("entries 100,000 deep", (parts) => {
    badUnit(parts, [SCOPE], (entries) => entries.times(100_000, [3]));
  }),
  debugCase("blocks 100,000 deep in a function", (parts) => {
    badUnit(parts, [PARENT, [TAG_BLOCK, true]], (entries) => {
      badFunction(entries, 3);
      entries.times(100_000, [4]);
    });
  }),
  debugCase("calls 200 deep of names of 30 KiB in 50 namespaces of such names", (parts) => {
    const call = [AT_ABSTRACT_ORIGIN, FORM_REF4, AT_LOW_PC, FORM_ADDR, AT_HIGH_PC, FORM_DATA8];
    const more: Abbreviation[] = [
      [TAG_NAMESPACE, true, AT_NAME, FORM_STRP],
      [TAG_SUBPROGRAM, false, AT_NAME, FORM_STRP],
      [TAG_INLINED, true, ...call],
      PARENT,
    ];
    const names = section(parts, ".debug_str");
    names.times(30 * 1024, [0x41]).u8(0);
    badUnit(parts, more, (entries) => {
      entries.times(50, [3, 0, 0, 0, 0]);
      const abstracts = UNIT_HEADER_BYTES + ROOT_BYTES + 50 * 5;
      for (let index = 0; index < 200; index++) entries.uleb(4).u32(index % 64);
      entries.times(50, [0]);
      badFunction(entries, 6);
      for (let index = 0; index < 200; index++) {
        entries
          .uleb(5)
          .u32(abstracts + 5 * index)
          .u64(BAD_START)
          .u64(FUNCTION_BYTES);
      }
      entries.times(202, [0]);
    });
  }),
  debugCase("200 calls of functions of a class of 4 million entries", (parts) => {
    const call = [AT_ABSTRACT_ORIGIN, FORM_REF4, AT_LOW_PC, FORM_ADDR, AT_HIGH_PC, FORM_DATA8];
    const more: Abbreviation[] = [
      [TAG_CLASS, true, AT_SIBLING, FORM_REF4],
      [TAG_BLOCK, false],
      [TAG_SUBPROGRAM, false, AT_NAME, FORM_STRING],
      PARENT,
      [TAG_INLINED, true, ...call],
    ];
    badUnit(parts, more, (entries) => {
      const count = 4_000_000;
      const start = entries.length - UNIT_HEADER_BYTES - ROOT_BYTES;
      entries.uleb(3).u32(0).times(count, [4]);
      const declared = entries.length - start;
      for (let index = 0; index < 200; index++) entries.uleb(5).text(`in${index + 100}`);
      entries.u8(0).patch32(start + UNIT_HEADER_BYTES + ROOT_BYTES + 1, entries.length - start);
      badFunction(entries, 6);
      for (let index = 0; index < 200; index++) {
        entries
          .uleb(7)
          .u32(declared + 7 * index)
          .u64(BAD_START)
          .u64(FUNCTION_BYTES);
      }
      entries.times(202, [0]);
    });
  }),
  debugCase("2 million functions in one place", (parts) => {
    const table = abbreviations(parts, UNIT, [TAG_SUBPROGRAM, false, ...ROOT_FORMS]);
    unit(parts, { abbreviations: table }, (entries) => {
      const one = { info: section(parts, ".debug_one") };
      const pattern = root(one.info, 2).bytes.slice();
      parts.others.clear();
      root(entries).times(2_000_000, pattern);
    });
  }),
  debugCase("a unit of 48 MiB of ends", (parts) => {
    badUnit(parts, [SCOPE], (entries) => entries.times(24 * MIB, [3, 0]));
  }),
];

/** Most of the file is a hole. */
function holeCase(bytes: number): SymbolizeCase {
  return {
    name: `a unit of ${bytes / MILLION} MB of holes`,
    addresses: ADDRESSES,
    write: (folder) => {
      const parts = goodParts();
      badUnit(parts, [], (entries) => badFunction(entries, 2));
      const written = parts.info.length;
      const good = parts.info.bytes[0] as number;
      parts.info.patch32(good + 4, bytes - good - 8);
      const image = debugImage(parts);
      const index = image.sections.findIndex(({ name }) => name === ".debug_info");
      image.sections.splice(index, 1);
      image.section(".debug_info", parts.info.bytes);
      image.hole(bytes - written);
      image.sections.push({ ...(image.sections.pop() as WrittenSection), size: bytes });
      image.write(folder.file("program"));
      return ["--binary", folder.file("program")];
    },
    check: expectNames,
  };
}

/** Entries that are deep in one another, and very many. */
export const depthFiles: readonly SymbolizeCase[] = [
  ...depths,
  ...[190, 900].map((size) => holeCase(size * MILLION)),
];
