import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LoadSegment } from "./elf-file.ts";
import { type ProfiledMapping, profiledAddress } from "./profiled-address.ts";

function segment(
  address: bigint,
  fileOffset: bigint,
  more: Partial<LoadSegment> = {},
): LoadSegment {
  const size = { fileSize: 0x2a01n, memorySize: 0x2a01n };
  return { address, fileOffset, ...size, executable: true, ...more };
}

function mapping(start: bigint, limit: bigint, fileOffset: bigint): ProfiledMapping {
  return { start, limit, fileOffset };
}

const NO_BYTES = { fileSize: 0n };
const SHARED = mapping(0x7f0000002000n, 0x7f0000005000n, 0x2000n);
const UNKNOWN = mapping(0n, 0n, 0n);

describe("profiledAddress", () => {
  const cases = [
    {
      name: "takes an address of the process by its mapping",
      segments: [segment(0x2000n, 0x2000n)],
      mapping: SHARED,
      address: 0x7f0000002a10n,
      place: 0x2a10n,
    },
    {
      name: "knows that lld's addresses are no offsets",
      segments: [segment(0x3820n, 0x2820n)],
      mapping: SHARED,
      address: 0x7f0000002a10n,
      place: 0x3a10n,
    },
    {
      name: "takes what lies in the code for the file's own address, without a mapping too",
      segments: [segment(0x3820n, 0x2820n)],
      mapping: UNKNOWN,
      address: 0x3a10n,
      place: 0x3a10n,
    },
    {
      name: "takes the address of a program at a fixed place as it is",
      segments: [segment(0x401000n, 0x1000n)],
      mapping: mapping(0x401000n, 0x404000n, 0x1000n),
      address: 0x401234n,
      place: 0x401234n,
    },
    {
      name: "takes the offsets of a program whose code has zeros behind its bytes",
      segments: [segment(0x400000n, 0n, { fileSize: 0x5000n, memorySize: 0x9000n })],
      mapping: mapping(0x400000n, 0x405000n, 0n),
      address: 0x401234n,
      space: "process" as const,
      place: 0x401234n,
    },
    {
      name: "places a debug file without offsets by the size of its code",
      segments: [segment(0x3820n, 0n, NO_BYTES)],
      mapping: mapping(0x7f0000002000n, 0x7f0000006000n, 0x2000n),
      address: 0x7f0000002a10n,
      place: 0x3a10n,
    },
    {
      name: "places a debug file of whose code the headers alone are left",
      segments: [segment(0n, 0n, { fileSize: 0x32cn, memorySize: 0x43c84n })],
      mapping: mapping(0x7f0000000000n, 0x7f0000044000n, 0n),
      address: 0x7f0000020122n,
      place: 0x20122n,
    },
    {
      name: "believes no offset of a debug file that has a part of its code's bytes",
      segments: [segment(0x3820n, 0x1000n, { fileSize: 0x24n })],
      mapping: mapping(0x7f0000002000n, 0x7f0000004000n, 0x2000n),
      address: 0x7f0000002a10n,
      place: undefined,
    },
    {
      name: "gives no place by a debug file when the mapping is a part of the code",
      segments: [segment(0x3820n, 0n, NO_BYTES)],
      mapping: mapping(0x7f0000002000n, 0x7f0000004000n, 0x2000n),
      address: 0x7f0000002a10n,
      place: undefined,
    },
    {
      name: "gives no place to what lies neither in the code nor in the mapping",
      segments: [segment(0x2000n, 0x2000n)],
      mapping: SHARED,
      address: 0x7f0000009000n,
      place: undefined,
    },
    {
      name: "takes an offset of the file when it is told so",
      segments: [segment(0x3820n, 0x2820n)],
      mapping: UNKNOWN,
      address: 0x2a10n,
      space: "file_offset" as const,
      place: 0x3a10n,
    },
    {
      name: "does not guess when it is told what addresses are",
      segments: [segment(0x2000n, 0x2000n)],
      mapping: SHARED,
      address: 0x2a10n,
      space: "process" as const,
      place: undefined,
    },
  ];
  for (const { name, segments, mapping: mapped, address, space, place } of cases) {
    const isDebugFile = name.includes("debug file");
    const options = { space, isDebugFile };
    it(name, () => assert.equal(profiledAddress(segments, mapped, address, options), place));
  }
});
