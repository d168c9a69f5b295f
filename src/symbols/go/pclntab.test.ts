import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readElf } from "../elf/elf-file.ts";
import { bytesAccess } from "../elf/random-access.ts";
import type { SymbolFrame } from "../executable-file.ts";
import { type GoNames, openGoNames } from "../native/go-names.ts";
import {
  TEXT_ADDRESS,
  type WrittenFunction,
  type WrittenGoProgram,
  writeGoProgram,
} from "./testing/go-program-writer.ts";

/** One with two calls within one another at its end, one without any, one of assembly. */
const FUNCTIONS: readonly WrittenFunction[] = [
  {
    name: "main.main",
    pieces: [
      { byteCount: 16, file: "/src/main.go", line: 10 },
      { byteCount: 8, file: "/src/main.go", line: 300 },
      { byteCount: 8, file: "/src/part.go", line: 7, call: 1 },
      { byteCount: 8, file: "/src/deep.go", line: 2, call: 0 },
    ],
    calls: [
      { name: "main.(*deep).get", at: 24 },
      { name: "main.part[...]", at: 16 },
    ],
    padding: 24,
  },
  { name: "runtime.memmove", pieces: [{ byteCount: 64, file: "/go/memmove.s", line: 1 }] },
  { name: "main.last", pieces: [{ byteCount: 16, file: "/src/main.go", line: 70_000 }] },
];

type Expected = readonly (readonly [address: number, frames: readonly string[]])[];

const OUTERMOST: Expected = [
  [-1, []],
  [0, ["main.main /src/main.go:10"]],
  [15, ["main.main /src/main.go:10"]],
  [16, ["main.main /src/main.go:300"]],
  [31, ["main.main /src/part.go:7"]],
  [39, ["main.main /src/deep.go:2"]],
  [40, []],
  [63, []],
  [64, ["runtime.memmove /go/memmove.s:1"]],
  [143, ["main.last /src/main.go:70000"]],
  [144, []],
];

const WITH_CALLS: Expected = [
  [23, ["main.main /src/main.go:300"]],
  [24, ["main.part[...] /src/part.go:7", "main.main /src/main.go:300"]],
  [
    36,
    [
      "main.(*deep).get /src/deep.go:2",
      "main.part[...] /src/part.go:7",
      "main.main /src/main.go:300",
    ],
  ],
  [40, []],
  [64, ["runtime.memmove /go/memmove.s:1"]],
];

const widths = [
  { name: "64 bits", is64: true, littleEndian: true },
  { name: "32 bits", is64: false, littleEndian: true },
  { name: "64 bits, big endian", is64: true, littleEndian: false, unit: 2 },
  { name: "32 bits, big endian", is64: false, littleEndian: false, unit: 4 },
];

const versions: Readonly<Record<WrittenGoProgram["version"], string>> = {
  go12: "1.2",
  go116: "1.16",
  go118: "1.18",
  go120: "1.20",
};

describe("a table of functions and lines", () => {
  for (const [version, words] of Object.entries(versions)) {
    for (const { name, ...width } of widths) {
      it(`of Go ${words}, ${name}, names functions and lines`, () => {
        const program = { version: version as WrittenGoProgram["version"], ...width };
        const names = namesOf({ ...program, functions: FUNCTIONS });
        for (const [at, frames] of OUTERMOST) {
          assert.deepEqual(framesAt(names, at, false), frames, `${at}`);
        }
      });
    }
  }
});

describe("a tree of inlined calls", () => {
  const places: Partial<WrittenGoProgram>[] = [
    { module: "section" },
    { module: "data" },
    { module: "relocations" },
    { module: "section", hasText: false },
    { module: "data", hasText: false },
    { module: "relocations", hasText: false },
  ];
  for (const version of ["go118", "go120"] as const) {
    for (const { name, ...width } of widths) {
      for (const place of places) {
        // Only 64-bit machines have relocations that hold what is added.
        if (place.module === "relocations" && !width.is64) continue;
        const text = place.hasText === false ? ", which alone knows the text" : "";
        it(`of Go ${versions[version]}, ${name}, found by ${place.module}${text}`, () => {
          const names = namesOf({ version, ...width, ...place, functions: FUNCTIONS });
          for (const [at, frames] of WITH_CALLS) assert.deepEqual(framesAt(names, at), frames);
        });
      }
    }
  }

  for (const { name, ...width } of widths) {
    it(`of Go ${versions.go116}, ${name}, found by its address`, () => {
      const names = namesOf({ version: "go116", ...width, module: "none", functions: FUNCTIONS });
      for (const [at, frames] of WITH_CALLS) assert.deepEqual(framesAt(names, at), frames);
    });
  }

  it("is done without where the module is not found", () => {
    const names = namesOf({ version: "go120", module: "none", functions: FUNCTIONS });
    for (const [at, frames] of OUTERMOST) assert.deepEqual(framesAt(names, at), frames);
  });

  it("names nothing where nobody knows the text's start", () => {
    const names = namesOf({
      ...{ version: "go120", module: "none", hasText: false, functions: FUNCTIONS },
    });
    assert.deepEqual(framesAt(names, 0), []);
  });
});

describe("a tree that is wrong", () => {
  const broken: readonly { name: string; calls: WrittenFunction["calls"]; call: number }[] = [
    { name: "a call around itself", calls: [{ name: "loop", at: 4 }], call: 0 },
    {
      name: "two calls around one another",
      calls: [
        { name: "one", at: 8 },
        { name: "two", at: 4 },
      ],
      call: 0,
    },
    { name: "a call at no place of the function", calls: [{ name: "far", at: 1e6 }], call: 0 },
    { name: "a call before the function", calls: [{ name: "before", at: -1 }], call: 0 },
    { name: "a call without a name", calls: [{ name: "", at: 0 }], call: 0 },
    { name: "an entry that the file has not", calls: [], call: 1_000_000 },
    { name: "an entry that no tree has", calls: [], call: 2 ** 30 },
  ];
  for (const { name, calls, call } of broken) {
    it(`with ${name} leaves the function and its line`, () => {
      const other = name.startsWith("two") ? 1 : call;
      const functions: WrittenFunction[] = [
        {
          name: "main.main",
          pieces: [
            { byteCount: 4, file: "/a.go", line: 1 },
            { byteCount: 4, file: "/a.go", line: 2, call },
            { byteCount: 4, file: "/a.go", line: 3, call: other },
          ],
          calls: calls ?? [],
        },
      ];
      const names = namesOf({ version: "go120", functions });
      assert.deepEqual(framesAt(names, 5), ["main.main /a.go:2"]);
    });
  }
});

function namesOf(program: WrittenGoProgram): GoNames {
  return openGoNames(readElf(bytesAccess(writeGoProgram(program), "written")));
}

function framesAt(names: GoNames, at: number, inlines = true): string[] {
  return names.framesAt(TEXT_ADDRESS + at, inlines).map(inWords);
}

function inWords({ systemName, file, line }: SymbolFrame): string {
  return `${systemName} ${file}:${line}`;
}
