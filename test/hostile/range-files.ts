import {
  ADDRESSES,
  AT_HIGH_PC,
  AT_LOW_PC,
  AT_NAME,
  AT_RANGES,
  abbreviations,
  BAD_START,
  badFunction,
  CODE_BYTES,
  type DebugParts,
  debugImage,
  FORM_ADDR,
  FORM_DATA8,
  FORM_SEC_OFFSET,
  FORM_STRING,
  FUNCTION_BYTES,
  FUNCTION_FORMS,
  GOOD_START,
  goodParts,
  ROOT_FORMS,
  root,
  section,
  TAG_COMPILE_UNIT,
  TAG_INLINED,
  TAG_SUBPROGRAM,
  unit,
} from "./debug-image.ts";
import { PF_RX, PT_LOAD } from "./elf-image.ts";
import { debugCase, expectNames, type SymbolizeCase } from "./symbolize-case.ts";

const LIST_ENTRIES = 200_000;

/** A list of `bad` in many pieces, in the older and in the newer way; both do not end here. */
function longList(parts: DebugParts, version: number): void {
  if (version < 5) {
    const list = section(parts, ".debug_ranges").u64(-1).u64(BAD_START);
    list.times(LIST_ENTRIES, [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]).u64(0).u64(0);
    return;
  }
  const list = section(parts, ".debug_rnglists").u8(5).u64(BAD_START);
  list.times(LIST_ENTRIES, [4, 0, 1]).u8(0);
}

const BY_RANGES = [AT_RANGES, FORM_SEC_OFFSET];

/** Lists of ranges, and .debug_aranges. */
export const rangeFiles: readonly SymbolizeCase[] = [
  ...[4, 5].flatMap((version) => [
    debugCase(`20,000 units of one list of ranges, DWARF ${version}`, (parts) => {
      longList(parts, version);
      const table = abbreviations(parts, [TAG_COMPILE_UNIT, false, ...BY_RANGES]);
      for (let index = 0; index < 20_000; index++) {
        unit(parts, { abbreviations: table, version }, (entries) => entries.uleb(1).u32(0));
      }
    }),
    debugCase(`100,000 functions of one list of ranges, DWARF ${version}`, (parts) => {
      longList(parts, version);
      const table = abbreviations(
        parts,
        [TAG_COMPILE_UNIT, true, ...ROOT_FORMS],
        [TAG_SUBPROGRAM, false, ...BY_RANGES],
      );
      unit(parts, { abbreviations: table, version }, (entries) => {
        root(entries).times(100_000, [2, 0, 0, 0, 0]);
      });
    }),
    debugCase(`100,000 calls of one list of ranges, DWARF ${version}`, (parts) => {
      longList(parts, version);
      const table = abbreviations(
        parts,
        [TAG_COMPILE_UNIT, true, ...ROOT_FORMS],
        [TAG_SUBPROGRAM, true, ...FUNCTION_FORMS],
        [TAG_INLINED, false, ...BY_RANGES],
      );
      unit(parts, { abbreviations: table, version }, (entries) => {
        badFunction(root(entries), 2);
        entries.times(100_000, [3, 0, 0, 0, 0]);
      });
    }),
    debugCase(`a list of 10 million ranges, DWARF ${version}`, (parts) => {
      const name = version < 5 ? ".debug_ranges" : ".debug_rnglists";
      const entry = version < 5 ? [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0] : [4, 1, 2];
      section(parts, name).times(version < 5 ? 2_000_000 : 10_000_000, entry);
      const table = abbreviations(
        parts,
        [TAG_COMPILE_UNIT, true, ...ROOT_FORMS],
        [TAG_SUBPROGRAM, false, AT_NAME, FORM_STRING, ...BY_RANGES],
      );
      unit(parts, { abbreviations: table, version }, (entries) => {
        root(entries).uleb(2).text("wrong").u32(0).u8(0);
      });
    }),
  ]),
  debugCase("100,000 calls whose places come in the worst order", (parts) => {
    const place = [AT_LOW_PC, FORM_ADDR, AT_HIGH_PC, FORM_DATA8];
    const table = abbreviations(
      parts,
      [TAG_COMPILE_UNIT, true, ...ROOT_FORMS],
      [TAG_SUBPROGRAM, true, ...FUNCTION_FORMS],
      [TAG_INLINED, false, ...place],
    );
    unit(parts, { abbreviations: table }, (entries) => {
      badFunction(root(entries), 2);
      for (let left = 100_000; left > 0; left--) {
        entries
          .uleb(3)
          .u64(BAD_START + (left % 3000))
          .u64(1 + (left % 7));
      }
    });
  }),
  ...["rising", "falling"].map((order) =>
    debugCase(`130,000 calls of a byte each, in ${order} order`, (parts) => {
      const table = abbreviations(
        parts,
        [TAG_COMPILE_UNIT, true, ...ROOT_FORMS],
        [TAG_SUBPROGRAM, true, ...FUNCTION_FORMS],
        [TAG_INLINED, false, AT_LOW_PC, FORM_ADDR, AT_HIGH_PC, FORM_DATA8],
      );
      const count = 130_000;
      unit(parts, { abbreviations: table }, (entries) => {
        badFunction(root(entries), 2);
        for (let index = 0; index < count; index++) {
          const place = 3 * (order === "rising" ? index : count - index);
          entries
            .uleb(3)
            .u64(BAD_START + 0x100 + place)
            .u64(1);
        }
        entries.u8(0, 0);
      });
    }),
  ),
  debugCase("bases of ranges that lead nowhere", (parts) => {
    const list = section(parts, ".debug_ranges");
    list
      .u64(-1)
      .u64(-1)
      .u64(0)
      .u64(0x1000)
      .u64(-1)
      .u64(2n ** 63n)
      .u64(1)
      .u64(2);
    list.u64(-1).u64(BAD_START).u64(0).u64(FUNCTION_BYTES).u64(0).u64(0);
    const table = abbreviations(
      parts,
      [TAG_COMPILE_UNIT, true, ...BY_RANGES],
      [TAG_SUBPROGRAM, false, AT_NAME, FORM_STRING, ...BY_RANGES],
    );
    unit(parts, { abbreviations: table }, (entries) => {
      entries.uleb(1).u32(0).uleb(2).text("bad").u32(0);
      entries.uleb(2).text("wrong").u32(0xffff_fff0).u8(0);
    });
  }),
  debugCase("indices of lists that lead nowhere, and entries of unknown kinds", (parts) => {
    section(parts, ".debug_rnglists").u32(0x7fff_ffff).u16(5).u8(8, 0).u32(9).u8(9, 9, 9);
    const table = abbreviations(
      parts,
      [TAG_COMPILE_UNIT, true, ...ROOT_FORMS],
      [TAG_SUBPROGRAM, false, AT_NAME, FORM_STRING, AT_RANGES, 0x23],
    );
    unit(parts, { abbreviations: table, version: 5 }, (entries) => {
      root(entries);
      for (const index of [0n, 1n, 2n ** 32n, 2n ** 60n]) entries.uleb(2).text("no").uleb(index);
      entries.u8(0);
    });
  }),
  debugCase("units without end in .debug_aranges", (parts) => {
    const aranges = section(parts, ".debug_aranges");
    aranges.u32(44).u16(2).u32(0).u8(8, 0).u32(0).u64(0).u64(-1).u64(0).u64(0);
    aranges.u32(0xffff_fff0).u32(0xffff_fff0).u32(1).u32(0);
  }),
  debugCase("a million ranges in .debug_aranges, in no order", (parts) => {
    const aranges = section(parts, ".debug_aranges");
    const count = 1_400_000;
    aranges
      .u32(12 + 16 * count)
      .u16(2)
      .u32(0)
      .u8(8, 0)
      .u32(0);
    let place = 1;
    for (let index = 0; index < count; index++) {
      place = (place * 0x41a7) % (CODE_BYTES - 0x2000);
      aranges
        .u32(GOOD_START + 0x1000 + place)
        .u32(0)
        .u32(1)
        .u32(0);
    }
  }),
  {
    name: "120 segments of code, and a list of 10 million ranges",
    addresses: ADDRESSES,
    write: (folder) => {
      const parts = goodParts();
      longList(parts, 5);
      const table = abbreviations(
        parts,
        [TAG_COMPILE_UNIT, true, ...ROOT_FORMS],
        [TAG_SUBPROGRAM, false, ...BY_RANGES],
      );
      unit(parts, { abbreviations: table, version: 5 }, (entries) => {
        root(entries).times(100_000, [2, 0, 0, 0, 0]);
      });
      const image = debugImage(parts);
      for (let index = 0; index < 120; index++) {
        const address = 2 ** 40 + index * 4096;
        image.programs.push({ type: PT_LOAD, flags: PF_RX, offset: 0, address, fileSize: 4096 });
      }
      image.write(folder.file("program"));
      return ["--binary", folder.file("program")];
    },
    check: expectNames,
  },
  debugCase("64 MB of zeros in .debug_aranges", (parts) => {
    section(parts, ".debug_aranges").times(64_000_000, [0]);
  }),
  debugCase("5 million ranges in .debug_aranges", (parts) => {
    const aranges = section(parts, ".debug_aranges");
    const count = 4_000_000;
    aranges
      .u32(12 + 16 * count)
      .u16(2)
      .u32(0)
      .u8(8, 0)
      .u32(0);
    const one = [0x40, 0x10, 0x40, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    aranges.times(count, one);
  }),
];
