import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import type { TemporaryFolder } from "../support/temporary-folder.ts";
import { ByteWriter } from "./byte-writer.ts";
import {
  ADDRESSES,
  AT_COMP_DIR,
  AT_GNU_DWO_ID,
  AT_GNU_DWO_NAME,
  abbreviations,
  BAD_START,
  badFunction,
  type DebugParts,
  debugImage,
  FORM_DATA8,
  FORM_STRING,
  FUNCTION_BYTES,
  FUNCTION_FORMS,
  goodParts,
  ROOT_FORMS,
  root,
  section,
  TAG_COMPILE_UNIT,
  TAG_INLINED,
  TAG_SUBPROGRAM,
  unit,
} from "./debug-image.ts";
import { ElfImage } from "./elf-image.ts";
import { expectNames, expectSymbols, requireEqual, type SymbolizeCase } from "./symbolize-case.ts";
import type { SymbolizeOutcome } from "./symbolize-run.ts";

const GIB = 1024 ** 3;
const DWO_ID = 0x1122_3344_5566_7788n;

/** What stands where the links of a program may lead. */
function placeAll(folder: TemporaryFolder): void {
  execFileSync("mkfifo", [folder.file("fifo")]);
  mkdirSync(folder.file("folder"));
  symlinkSync("loop", folder.file("loop"));
  symlinkSync("/dev/zero", folder.file("zeros"));
  symlinkSync("/proc/self/mem", folder.file("memory"));
  writeFileSync(folder.file("empty"), "");
  writeFileSync(folder.file("text"), "no ELF file\n");
  debugImage(goodParts()).write(folder.file("other"));
  debugImage(goodParts()).write(folder.file("huge"));
  truncateSync(folder.file("huge"), 12 * GIB);
}

const PLACES = ["fifo", "folder", "loop", "zeros", "memory", "empty", "text", "huge", "program"];
const NAMES = [
  ...PLACES,
  ...["../../../../../../dev/zero", "/dev/zero", "/etc/passwd", "./folder/../fifo", "..", "."],
  ...["a\0b", "a".repeat(8000), "a/".repeat(3000), "", "\u001b[2J", "/proc/self/fd/0"],
];

/** A name as a test is called. */
function shown(name: string): string {
  return JSON.stringify(name.slice(0, 40));
}

function linkCase(section: string, name: string): SymbolizeCase {
  return {
    name: `${section} to ${shown(name)}`,
    addresses: ADDRESSES,
    write: (folder) => {
      placeAll(folder);
      const parts = goodParts();
      const image = debugImage(parts);
      const isAlt = section === ".gnu_debugaltlink";
      // What a debug file is looked for has none of its own.
      if (!isAlt) {
        const index = image.sections.findIndex((one) => one.name === ".debug_info");
        image.sections.splice(index, 1);
      }
      const link = new ByteWriter().text(name);
      if (isAlt) link.times(20, [0xab]);
      else link.times(-link.length & 3, [0]).u32(0);
      image.section(section, link.bytes);
      image.write(folder.file("program"));
      return ["--binary", folder.file("program")];
    },
    check: section === ".gnu_debugaltlink" ? expectNames : expectSymbols,
  };
}

/** A skeleton of `bad` whose other part is said to be in a file. */
function skeleton(parts: DebugParts, name: string, id = DWO_ID): void {
  // What split units have in the program.
  section(parts, ".debug_addr").u64(BAD_START);
  const table = abbreviations(parts, [
    TAG_COMPILE_UNIT,
    false,
    ...ROOT_FORMS,
    ...[AT_COMP_DIR, FORM_STRING, AT_GNU_DWO_NAME, FORM_STRING, AT_GNU_DWO_ID, FORM_DATA8],
  ]);
  unit(parts, { abbreviations: table }, (entries) => {
    root(entries).text("/nowhere/../..").text(name).u64(id);
  });
}

/** A file of split units, as `write` has them. */
function splitImage(write: (parts: DebugParts) => void): ElfImage {
  const parts: DebugParts = {
    abbrev: new ByteWriter(),
    info: new ByteWriter(),
    line: new ByteWriter(),
    others: new Map(),
  };
  write(parts);
  const image = new ElfImage(0);
  image.section(".debug_abbrev.dwo", parts.abbrev.bytes);
  image.section(".debug_info.dwo", parts.info.bytes);
  for (const [name, { bytes }] of parts.others) image.section(name, bytes);
  return image;
}

/** In it `inner` was inlined into `bad`, which nothing else says. */
function splitUnit(parts: DebugParts, table: number, id: bigint): void {
  unit(parts, { abbreviations: table }, (entries) => {
    badFunction(entries.uleb(1).u64(id), 2);
    entries.uleb(3).text("inner").u64(BAD_START).u64(FUNCTION_BYTES).u8(0, 0);
  });
}

function expectInner({ answers }: SymbolizeOutcome): void {
  const names = answers[1]?.frames.map(({ systemName }) => systemName);
  requireEqual(names, ["inner", "bad"]);
}

function splitTable(parts: DebugParts): number {
  return abbreviations(
    parts,
    [TAG_COMPILE_UNIT, true, AT_GNU_DWO_ID, FORM_DATA8],
    [TAG_SUBPROGRAM, true, ...FUNCTION_FORMS],
    [TAG_INLINED, false, ...FUNCTION_FORMS],
  );
}

function splitCase(
  name: string,
  write: (folder: TemporaryFolder, parts: DebugParts) => void,
  check: SymbolizeCase["check"] = expectNames,
): SymbolizeCase {
  return {
    name,
    addresses: ADDRESSES,
    write: (folder) => {
      const parts = goodParts();
      write(folder, parts);
      debugImage(parts).write(folder.file("program"));
      return ["--binary", folder.file("program")];
    },
    check,
  };
}

const splits: readonly SymbolizeCase[] = [
  ...NAMES.filter((_, index) => index % 2 === 0).map((name) =>
    splitCase(`a .dwo file that is ${shown(name)}`, (folder, parts) => {
      placeAll(folder);
      skeleton(parts, name);
    }),
  ),
  splitCase(
    "a .dwo file as it should be",
    (folder, parts) => {
      skeleton(parts, "split.dwo");
      const image = splitImage((split) => splitUnit(split, splitTable(split), DWO_ID));
      image.write(folder.file("split.dwo"));
    },
    expectInner,
  ),
  splitCase("a .dwo file of another id", (folder, parts) => {
    skeleton(parts, "split.dwo");
    const image = splitImage((split) => splitUnit(split, splitTable(split), 0x66n));
    image.write(folder.file("split.dwo"));
  }),
  splitCase(
    "64 skeletons around an address, and a .dwo file of 100,000 others",
    (folder, parts) => {
      for (let index = 0; index < 64; index++) skeleton(parts, "split.dwo");
      const image = splitImage((split) => {
        const table = splitTable(split);
        for (let index = 0; index < 100_000; index++) splitUnit(split, table, BigInt(index));
      });
      image.write(folder.file("split.dwo"));
    },
  ),
  splitCase("2,000 skeletons with a .dwo file each", (folder, parts) => {
    const bytes = splitImage((split) => splitUnit(split, splitTable(split), 0x66n)).toBytes();
    for (let index = 0; index < 2000; index++) {
      skeleton(parts, `split-${index}.dwo`);
      writeFileSync(folder.file(`split-${index}.dwo`), bytes);
    }
  }),
];

interface PackageIndex {
  readonly version: number;
  readonly columns: number;
  readonly units: number;
  readonly slots: number;
}

function packageCase(
  name: string,
  index: PackageIndex,
  write: (index: ByteWriter) => void,
  check?: SymbolizeCase["check"],
): SymbolizeCase {
  const make = (folder: TemporaryFolder, parts: DebugParts): void => {
    skeleton(parts, "gone.dwo");
    const image = splitImage((split) => {
      splitUnit(split, splitTable(split), DWO_ID);
      const { version, columns, units, slots } = index;
      const section = new ByteWriter().u32(version).u32(columns).u32(units).u32(slots);
      write(section);
      split.others.set(".debug_cu_index", section);
    });
    image.write(folder.file("program.dwp"));
  };
  return splitCase(`a .dwp file of ${name}`, make, check);
}

const ONES = 0xffff_ffff;

const packages: readonly SymbolizeCase[] = [
  packageCase(
    "one unit",
    { version: 2, columns: 2, units: 1, slots: 2 },
    (index) => {
      index.u64(DWO_ID).u64(0).u32(1).u32(0).u32(1).u32(3);
      index.u32(0).u32(0).u32(100).u32(100);
    },
    expectInner,
  ),
  packageCase("2^32 − 1 slots", { version: 5, columns: 8, units: ONES, slots: ONES }, () => {}),
  packageCase("2^31 columns", { version: 5, columns: 2 ** 31, units: 1, slots: 2 }, () => {}),
  packageCase("no columns", { version: 2, columns: 0, units: 1, slots: 2 }, (section) => {
    section.u64(DWO_ID).u64(0).u32(1).u32(0);
  }),
  packageCase(
    "4 million slots",
    { version: 5, columns: 1, units: 1, slots: 4_000_000 },
    (index) => {
      for (let slot = 0; slot < 4_000_000; slot++) index.u64(slot * 0x9e37);
      index.times(4_000_000, [1, 0, 0, 0]).u32(1).u32(0).u32(0);
    },
  ),
  packageCase("parts that are nowhere", { version: 5, columns: 4, units: 1, slots: 2 }, (index) => {
    index.u64(DWO_ID).u64(0).u32(1).u32(0).u32(1).u32(3).u32(6).u32(8);
    index.u32(0).u32(ONES).u32(ONES).u32(ONES);
  }),
  packageCase("rows that are nowhere", { version: 5, columns: 1, units: 9, slots: 2 }, (index) => {
    index
      .u64(DWO_ID)
      .u64(DWO_ID)
      .u32(9)
      .u32(ONES)
      .u32(1)
      .times(9, [ONES & 0xff, 0, 0, 0]);
  }),
  splitCase("a .dwp file that is a FIFO", (folder, parts) => {
    skeleton(parts, "gone.dwo");
    execFileSync("mkfifo", [folder.file("program.dwp")]);
  }),
  splitCase("a .dwp file of 100 MB of index", (folder, parts) => {
    skeleton(parts, "gone.dwo");
    const image = splitImage((split) => splitUnit(split, splitTable(split), DWO_ID));
    const offset = image.hole(100_000_000);
    image.sections.push({ name: ".debug_cu_index", offset, size: 100_000_000 });
    image.write(folder.file("program.dwp"));
  }),
];

/** A debug file that needs another one, which is itself. */
const circles: readonly SymbolizeCase[] = [
  {
    name: "a debug file whose link is to itself",
    addresses: ADDRESSES,
    write: (folder) => {
      const image = debugImage(goodParts());
      const link = new ByteWriter().text("self.debug").u8(0).u32(0);
      image.sections.splice(
        image.sections.findIndex(({ name }) => name === ".debug_info"),
        1,
      );
      image.section(".gnu_debuglink", link.bytes);
      const bytes = image.toBytes();
      writeFileSync(folder.file("program"), bytes);
      writeFileSync(folder.file("self.debug"), bytes);
      return ["--binary", folder.file("program")];
    },
    check: expectSymbols,
  },
];

/** Files that name others. */
export const linkedFiles: readonly SymbolizeCase[] = [
  ...NAMES.filter((_, index) => index % 2 === 1).map((name) => linkCase(".gnu_debuglink", name)),
  ...NAMES.filter((_, index) => index % 2 === 0).map((name) => linkCase(".gnu_debugaltlink", name)),
  ...splits,
  ...packages,
  ...circles,
];
