import {
  type Abbreviation,
  AT_ABSTRACT_ORIGIN,
  AT_CALL_FILE,
  AT_HIGH_PC,
  AT_LOW_PC,
  AT_NAME,
  AT_SIBLING,
  AT_SPECIFICATION,
  abbreviations,
  BAD_START,
  badFunction,
  badUnit,
  FORM_ADDR,
  FORM_ADDRX,
  FORM_DATA8,
  FORM_INDIRECT,
  FORM_REF4,
  FORM_STRING,
  FORM_STRP,
  FORM_STRX,
  FORM_UDATA,
  FUNCTION,
  FUNCTION_BYTES,
  FUNCTION_FORMS,
  PARENT,
  ROOT_BYTES,
  ROOT_FORMS,
  root,
  section,
  TAG_BLOCK,
  TAG_COMPILE_UNIT,
  TAG_INLINED,
  TAG_SUBPROGRAM,
  UNIT,
  UNIT_HEADER_BYTES,
  unit,
} from "./debug-image.ts";
import { debugCase, expectSymbols, type SymbolizeCase } from "./symbolize-case.ts";

const MIB = 1024 * 1024;

const tables: readonly SymbolizeCase[] = [
  debugCase("a table of abbreviations that is not there", (parts) => {
    unit(parts, { abbreviations: 0xffff_fff0 }, (entries) => badFunction(root(entries), 2));
  }),
  debugCase("a table of abbreviations of 60 MB that does not end", (parts) => {
    const table = parts.abbrev.length;
    parts.abbrev.times(12_000_000, [1, 0x2e, 0, 0, 0]);
    unit(parts, { abbreviations: table }, (entries) => root(entries));
  }),
  ...[16_000, 60_000].map((count) =>
    debugCase(`10,000 tables of abbreviations in one of ${count}`, (parts) => {
      const table = parts.abbrev.length;
      for (let code = 1; code <= count; code++) {
        parts.abbrev.u8((code & 0x7f) | 0x80, ((code >> 7) & 0x7f) | 0x80, code >> 14);
        parts.abbrev.u8(TAG_COMPILE_UNIT, 0, 0, 0);
      }
      parts.abbrev.u8(0);
      for (let index = 0; index < 10_000; index++) {
        unit(parts, { abbreviations: table + 7 * index }, (entries) => entries.uleb(count));
      }
      badUnit(parts, [], (entries) => badFunction(entries, 2));
    }),
  ),
  debugCase("20,000 tables of abbreviations with many attributes", (parts) => {
    const table = parts.abbrev.length;
    for (let code = 1; code <= 400; code++) {
      parts.abbrev.uleb(code).u8(0x11, 0).times(250, [0x3f, 0x19]).u8(0, 0);
    }
    parts.abbrev.u8(0);
    for (let index = 0; index < 20_000; index++) {
      unit(parts, { abbreviations: table, version: 2 + (index % 3) }, (e) => e.uleb(400));
    }
    badUnit(parts, [], (entries) => badFunction(entries, 2));
  }),
  debugCase("an abbreviation of 100,000 attributes", (parts) => {
    const many = new Array<number>(200_000).fill(0x3f);
    const table = abbreviations(parts, [TAG_COMPILE_UNIT, false, ...many]);
    unit(parts, { abbreviations: table }, (entries) => root(entries));
  }),
  debugCase("codes of 2^60 and of nothing", (parts) => {
    const table = parts.abbrev.length;
    parts.abbrev
      .uleb(2n ** 60n)
      .u8(TAG_COMPILE_UNIT, 0, 0, 0)
      .u8(0);
    for (const code of [2n ** 60n, 2n ** 60n + 1n, 77n]) {
      unit(parts, { abbreviations: table }, (entries) => entries.uleb(code));
    }
  }),
  debugCase("DW_FORM_indirect that leads to itself", (parts) => {
    const table = abbreviations(
      parts,
      [TAG_COMPILE_UNIT, true, 0x3f, FORM_INDIRECT, ...ROOT_FORMS],
      [TAG_SUBPROGRAM, false, AT_NAME, FORM_INDIRECT],
    );
    unit(parts, { abbreviations: table }, (entries) => {
      entries.uleb(1).times(MIB, [FORM_INDIRECT]);
    });
  }),
  debugCase("DW_FORM_indirect of each function's name and place", (parts) => {
    const table = abbreviations(parts, UNIT, [
      TAG_SUBPROGRAM,
      false,
      AT_NAME,
      FORM_INDIRECT,
      AT_LOW_PC,
      FORM_INDIRECT,
    ]);
    unit(parts, { abbreviations: table }, (entries) => {
      root(entries);
      for (let index = 0; index < 10_000; index++) {
        entries.uleb(2).times(3, [FORM_INDIRECT]).u8(FORM_STRING).text("bad");
        entries.times(64, [FORM_INDIRECT]);
      }
    });
  }),
  debugCase("a form that nobody knows", (parts) => {
    const table = abbreviations(parts, [TAG_COMPILE_UNIT, true, 0x3f, 0x7e, ...ROOT_FORMS]);
    unit(parts, { abbreviations: table }, (entries) => root(entries));
  }),
  debugCase("a block of 2^63 bytes before the place of a unit", (parts) => {
    const table = abbreviations(parts, [TAG_COMPILE_UNIT, true, 0x3f, 0x09, ...ROOT_FORMS]);
    unit(parts, { abbreviations: table }, (entries) => {
      root(entries.uleb(1).uleb(2n ** 63n));
    });
  }),
];

const units: readonly SymbolizeCase[] = [
  ...[0, 1, 6, 0x7fff_fff0, 0xffff_ffef, 0xffff_fff0, 0xffff_fffe].map((length) =>
    debugCase(`a unit of ${length} bytes`, (parts) => {
      const table = abbreviations(parts, UNIT, FUNCTION);
      unit(parts, { abbreviations: table, length }, (e) => badFunction(root(e), 2));
    }),
  ),
  ...[2n ** 32n, 2n ** 63n, 2n ** 64n - 1n].map((length) =>
    debugCase(`a unit of ${length} bytes in the 64-bit format`, (parts) => {
      const table = abbreviations(parts, UNIT, FUNCTION);
      parts.info.u32(0xffff_ffff).u64(length).u16(4).u64(table).u8(8);
      badFunction(root(parts.info), 2);
    }),
  ),
  debugCase("400,000 units of nothing", (parts) => {
    parts.info.times(400_000, [7, 0, 0, 0, 4, 0, 0, 0, 0, 0, 8]);
  }),
  debugCase(
    "400,000 units of one entry each",
    (parts) => {
      const one = { info: section(parts, ".debug_one") };
      unit(one, { abbreviations: 0 }, (e) => e.uleb(1).u64(1).u64(1).text("").u32(0));
      parts.info.times(400_000, one.info.bytes.slice());
      parts.others.clear();
    },
    expectSymbols,
  ),
  debugCase(
    "over a million units",
    (parts) => {
      parts.info.times(1_100_000, [7, 0, 0, 0, 4, 0, 0, 0, 0, 0, 8]);
    },
    undefined,
  ),
  ...[0, 1, 6, 0xffff].map((version) =>
    debugCase(`a unit of version ${version}`, (parts) => {
      unit(parts, { abbreviations: 0, version }, (entries) => root(entries));
    }),
  ),
  debugCase("60,000 units around one address", (parts) => {
    const table = abbreviations(parts, UNIT, FUNCTION);
    for (let index = 0; index < 60_000; index++) {
      unit(parts, { abbreviations: table }, (e) => root(e).u8(0));
    }
  }),
];

const references: readonly SymbolizeCase[] = [
  debugCase("abstract origins that lead in a circle", (parts) => {
    const origin = [AT_ABSTRACT_ORIGIN, FORM_REF4, AT_LOW_PC, FORM_ADDR, AT_HIGH_PC, FORM_DATA8];
    badUnit(parts, [[TAG_SUBPROGRAM, false, ...origin]], (entries) => {
      const first = UNIT_HEADER_BYTES + ROOT_BYTES;
      const second = first + 21;
      for (const target of [second, first]) {
        entries.uleb(3).u32(target).u64(BAD_START).u64(FUNCTION_BYTES);
      }
    });
  }),
  debugCase("a specification that is itself, in a class that is its own", (parts) => {
    const own = [AT_SPECIFICATION, FORM_REF4];
    const more: Abbreviation[] = [
      [0x02, true, ...own],
      [TAG_SUBPROGRAM, false, ...own, AT_LOW_PC, FORM_ADDR, AT_HIGH_PC, FORM_DATA8],
    ];
    badUnit(parts, more, (entries) => {
      const first = UNIT_HEADER_BYTES + ROOT_BYTES;
      entries.uleb(3).u32(first);
      entries
        .uleb(4)
        .u32(first + 5)
        .u64(BAD_START)
        .u64(FUNCTION_BYTES);
      entries.uleb(4).u32(first).u64(BAD_START).u64(FUNCTION_BYTES).u8(0, 0);
    });
  }),
  debugCase("references out of the section, and into the middle of entries", (parts) => {
    const forms = [AT_ABSTRACT_ORIGIN, 0x10, AT_LOW_PC, FORM_ADDR, AT_HIGH_PC, FORM_DATA8];
    badUnit(parts, [[TAG_SUBPROGRAM, false, ...forms]], (entries) => {
      for (const target of [0xffff_ffff, 1, 12, 13, 0x7fff_ffff]) {
        entries.uleb(3).u32(target).u64(BAD_START).u64(FUNCTION_BYTES);
      }
    });
  }),
  debugCase("siblings that lead back, to themselves and far away", (parts) => {
    const forms = [AT_SIBLING, FORM_REF4];
    badUnit(parts, [[TAG_BLOCK, true, ...forms]], (entries) => {
      const first = UNIT_HEADER_BYTES + ROOT_BYTES;
      for (const target of [0, first, first - 1, 0xffff_ffff, 0x7fff_ffff]) {
        entries.uleb(3).u32(target).u8(0);
      }
      badFunction(entries, 2);
    });
  }),
];

const texts: readonly SymbolizeCase[] = [
  debugCase("a name of 10 MB in the entries", (parts) => {
    const table = abbreviations(parts, UNIT, [TAG_SUBPROGRAM, false, ...FUNCTION_FORMS]);
    unit(parts, { abbreviations: table }, (entries) => {
      root(entries).uleb(2).times(10_000_000, [0x41]).u8(0).u64(BAD_START).u64(FUNCTION_BYTES);
    });
  }),
  debugCase("200 calls of a function whose name has 10 MB in the entries", (parts) => {
    const call = [AT_ABSTRACT_ORIGIN, FORM_REF4, AT_LOW_PC, FORM_ADDR, AT_HIGH_PC, FORM_DATA8];
    const more: Abbreviation[] = [
      PARENT,
      [TAG_INLINED, true, ...call],
      [TAG_SUBPROGRAM, false, AT_NAME, FORM_STRING],
    ];
    badUnit(parts, more, (entries) => {
      const abstract = UNIT_HEADER_BYTES + ROOT_BYTES;
      entries.uleb(5).times(10_000_000, [0x41]).u8(0);
      badFunction(entries, 3);
      for (let index = 0; index < 200; index++) {
        entries.uleb(4).u32(abstract).u64(BAD_START).u64(FUNCTION_BYTES);
      }
      entries.times(202, [0]);
    });
  }),
  debugCase("names that do not end, in the entries and in .debug_str", (parts) => {
    section(parts, ".debug_str").times(10_000_000, [0x41]);
    const strp = [AT_NAME, FORM_STRP, AT_LOW_PC, FORM_ADDR, AT_HIGH_PC, FORM_DATA8];
    badUnit(parts, [[TAG_SUBPROGRAM, false, ...strp]], (entries) => {
      entries.uleb(3).u32(5).u64(BAD_START).u64(FUNCTION_BYTES);
      entries.uleb(2).times(100, [0x41]);
    });
  }),
  ...[FORM_STRP, FORM_STRX, 0x1f, 0x25, 0x2b, 0x1f20, 0x1f21].map((form) =>
    debugCase(`a name of form 0x${form.toString(16)} that leads nowhere`, (parts) => {
      const strp = [AT_NAME, form, AT_LOW_PC, FORM_ADDR, AT_HIGH_PC, FORM_DATA8];
      const table = abbreviations(parts, UNIT, [TAG_SUBPROGRAM, false, ...strp]);
      section(parts, ".debug_str_offsets").times(20, [0xff]);
      unit(parts, { abbreviations: table, version: 5 }, (entries) => {
        root(entries).uleb(2).times(4, [0x7f]).u64(BAD_START).u64(FUNCTION_BYTES).u8(0);
      });
    }),
  ),
  debugCase("indices of addresses that lead nowhere", (parts) => {
    const forms = [AT_NAME, FORM_STRING, AT_LOW_PC, FORM_ADDRX, AT_HIGH_PC, FORM_UDATA];
    const table = abbreviations(
      parts,
      [TAG_COMPILE_UNIT, true, AT_LOW_PC, FORM_ADDRX, AT_HIGH_PC, FORM_DATA8],
      [TAG_SUBPROGRAM, false, ...forms],
    );
    section(parts, ".debug_addr").u64(BAD_START);
    unit(parts, { abbreviations: table, version: 5 }, (entries) => {
      entries.uleb(1).uleb(0).u64(FUNCTION_BYTES);
      for (const index of [1n, 2n ** 32n, 2n ** 53n, 2n ** 60n]) {
        entries
          .uleb(2)
          .text("no")
          .uleb(index)
          .uleb(2n ** 60n);
      }
      entries.uleb(2).text("bad").uleb(0).uleb(FUNCTION_BYTES).u8(0);
    });
  }),
  debugCase("calls from files and lines beyond all numbers", (parts) => {
    const call = [AT_CALL_FILE, FORM_UDATA, 0x59, FORM_UDATA, 0x57, FORM_UDATA];
    const forms = [AT_NAME, FORM_STRING, ...call, ...ROOT_FORMS];
    badUnit(parts, [PARENT, [TAG_INLINED, false, ...forms]], (entries) => {
      badFunction(entries, 3);
      entries
        .uleb(4)
        .text("in")
        .uleb(2n ** 60n)
        .uleb(2n ** 60n)
        .uleb(2n ** 60n);
      entries.u64(BAD_START).u64(FUNCTION_BYTES).u8(0, 0);
    });
  }),
];

/** Units, entries, abbreviations and texts. */
export const entryFiles: readonly SymbolizeCase[] = [...tables, ...units, ...references, ...texts];
