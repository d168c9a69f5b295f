import { deflateSync } from "node:zlib";
import { ElfImage, PAGE, PT_GNU_EH_FRAME } from "./elf-image.ts";
import {
  byProgramHeader,
  type FrameWriter,
  frameOf,
  longFde,
  manyFdes,
  repeated,
  TEXT,
  u32,
  u64,
  uleb,
  withEhFrame,
} from "./frame-bytes.ts";
import type { HostileFile } from "./hostile-files.ts";

const MIB = 1024 * 1024;
/** Just below what one section may have. */
const LARGE = 95 * MIB;
const MILLION = 1_000_000;
const SHF_COMPRESSED = 0x800;
const ELFCOMPRESS_ZLIB = 1;

/** Records that are broken, before a good one. */
const spoiled: { name: string; write: (writer: FrameWriter) => void }[] = [
  {
    name: "an augmentation string that does not end",
    write: (w) => {
      w.bytes.push(...u32(5), ...u32(0), 1);
      w.bytes.push(...Array(4000).fill(0x7a));
    },
  },
  {
    name: "a ULEB128 in the CIE that does not end",
    write: (w) => {
      const body = [...u32(0), 1, 0x7a, 0x52, 0, ...Array(400).fill(0x80)];
      w.bytes.push(...u32(body.length), ...body);
      w.fde(0);
    },
  },
  {
    name: "a CIE of 2^32 − 1 bytes without the long length",
    write: (w) => w.bytes.push(...all(4)),
  },
  { name: "a CIE of 2^64 − 1 bytes", write: (w) => w.bytes.push(...all(12), ...u32(0)) },
  {
    name: "an FDE of 2^63 bytes",
    write: (w) => w.bytes.push(...all(4), ...u32(0), ...u32(0x8000_0000), ...u32(20)),
  },
  {
    name: "an FDE that is its own CIE",
    write: (w) => w.bytes.push(...u32(12), ...Array(12).fill(0)),
  },
  { name: "an FDE whose CIE is an FDE", write: (w) => w.fde(w.fde(w.fde(w.cie()))) },
  {
    name: "FDEs that are each other's CIE",
    write: (w) => {
      w.fde(w.bytes.length + 17);
      w.fde(w.bytes.length - 17);
    },
  },
  {
    name: "an expression that jumps to itself",
    // skip −3; bra −3.
    write: (w) =>
      w.fde(w.cie(), { instructions: [0x0f, 7, 0x30, 0x2f, 0xfd, 0xff, 0x28, 0xfd, 0xff] }),
  },
  {
    name: "an expression of 2^63 bytes",
    write: (w) => w.fde(w.cie(), { instructions: [0x0f, ...repeated([0xff], 8), 0x7f, 0x77, 8] }),
  },
  {
    name: "a frame of 2^63 bytes",
    write: (w) => w.fde(w.cie(), { instructions: [0x0e, ...repeated([0xff], 8), 0x7f] }),
  },
  {
    name: "a frame of −2^62 bytes",
    write: (w) => w.fde(w.cie(), { instructions: [0x13, ...repeated([0x80], 8), 0x40] }),
  },
  {
    name: "the CFA from a register of 2^40",
    write: (w) => w.fde(w.cie(), { instructions: [0x0c, ...uleb(2 ** 40), 8] }),
  },
  {
    name: "the CFA in the register that the return address is in",
    write: (w) => w.fde(w.cie({ returnRegister: 7 }), { instructions: [0x09, 7, 7] }),
  },
  {
    name: "a frame that is its own caller",
    // CFA = rsp, return address at CFA − 8, the stack pointer stays.
    write: (w) => w.fde(w.cie(), { byteCount: PAGE, instructions: [0x0e, 0] }),
  },
  {
    name: "a frame pointer chain through the program's own loop",
    // CFA = rbp + 16, rbp at CFA − 16: the program's rbp leads to itself.
    write: (w) => w.fde(w.cie(), { byteCount: PAGE, instructions: [0x0c, 6, 16, 0x86, 2] }),
  },
  {
    name: "a signal frame for code that is none",
    write: (w) => {
      const cie = w.cie({ augmentation: "zRS" });
      w.fde(cie, { byteCount: PAGE, instructions: [0x0f, 4, 0x77, 0xa0, 1, 6] });
    },
  },
  {
    name: "a CFA that is read from memory of the program",
    // *(rbp + 0) with rbp = *(rbp): the same place for ever.
    write: (w) =>
      w.fde(w.cie(), { byteCount: PAGE, instructions: [0x0f, 3, 0x76, 0, 6, 0x10, 6, 2, 0x76, 0] }),
  },
  {
    name: "code alignment of 2^63",
    write: (w) =>
      w.fde(w.cie({ codeAlignment: 2 ** 63 }), { instructions: [0x41, 0x0e, 16, 0x41] }),
  },
  {
    name: "an FDE of all addresses",
    write: (w) => {
      const cie = w.cie({ augmentationData: [0] });
      w.fde(cie, { range: [...u64(0), ...all(8)] });
    },
  },
  {
    name: "pointers through memory in a circle",
    write: (w) => {
      const cie = w.cie({ augmentationData: [0x9b] });
      for (let index = 0; index < 2000; index++) w.fde(cie, { range: [...u32(-8), ...u32(PAGE)] });
    },
  },
];

function all(count: number): number[] {
  return Array(count).fill(0xff);
}

function spoiledFile(name: string, write: (writer: FrameWriter) => void): HostileFile {
  return {
    name,
    image: (seconds) => {
      const frame = frameOf((writer) => {
        write(writer);
        writer.fde(writer.cie(), { start: TEXT + 0x800 });
      });
      return withEhFrame(seconds, frame);
    },
  };
}

/** Instructions without end, for code of `textBytes`. */
const storms: { name: string; pattern: number[]; textBytes: number; frameBytes: number }[] = [
  { name: "advance_loc", pattern: [0x41], textBytes: PAGE, frameBytes: LARGE },
  {
    name: "rows of every byte",
    pattern: [0x41, 0x0e, 16, 0x41, 0x0e, 24],
    textBytes: 7 * MIB,
    frameBytes: 21 * MIB,
  },
  {
    name: "more rows than a table may have",
    pattern: [0x41, 0x0e, 16, 0x41, 0x0e, 24],
    textBytes: 32 * MIB,
    frameBytes: LARGE,
  },
  { name: "remember_state", pattern: [0x0a], textBytes: PAGE, frameBytes: LARGE },
  {
    name: "remember_state and restore_state",
    pattern: [0x0a, 0x0b],
    textBytes: PAGE,
    frameBytes: LARGE,
  },
  { name: "restore", pattern: [0xc6], textBytes: PAGE, frameBytes: LARGE },
  { name: "nop", pattern: [0], textBytes: PAGE, frameBytes: LARGE },
  {
    name: "two expressions a row",
    pattern: [0x41, 0x0f, 2, 0x77, 8, 0x10, 6, 2, 0x76, 0],
    textBytes: 9 * MIB,
    frameBytes: LARGE,
  },
  { name: "set_loc", pattern: [1, 0, 0, 0, 0], textBytes: PAGE, frameBytes: LARGE },
];

function stormFile(storm: (typeof storms)[number]): HostileFile {
  const { name, pattern, textBytes, frameBytes } = storm;
  return {
    name: `instructions without end: ${name}`,
    image: (seconds) => {
      const instructions = repeated(pattern, Math.floor((frameBytes - PAGE) / pattern.length));
      return withEhFrame(seconds, longFde(instructions, textBytes), textBytes);
    },
  };
}

const overlaps: readonly HostileFile[] = [
  {
    name: "a million FDEs of all the code",
    image: (seconds) =>
      withEhFrame(
        seconds,
        manyFdes(MILLION, PAGE, () => ({ start: TEXT, byteCount: PAGE })),
      ),
  },
  {
    name: "a million FDEs, each into the next",
    image: (seconds) => {
      const place = (index: number) => ({ start: TEXT + index, byteCount: 2 ** 30 });
      return withEhFrame(seconds, manyFdes(MILLION, MIB, place), MIB);
    },
  },
  {
    name: "a million FDEs in falling order",
    image: (seconds) => {
      const place = (index: number) => ({ start: TEXT + MIB - index, byteCount: index + 1 });
      return withEhFrame(seconds, manyFdes(MILLION, MIB, place), MIB);
    },
  },
  {
    name: "two million FDEs with a gap behind each",
    image: (seconds) => {
      const textBytes = 34 * MIB;
      const place = (index: number) => ({ start: TEXT + 17 * index, byteCount: 1 });
      return withEhFrame(seconds, manyFdes(2 * MILLION, textBytes, place), textBytes);
    },
  },
  {
    name: "more FDEs than a file may have",
    image: (seconds) => withEhFrame(seconds, repeated([4, 0, 0, 0, 1, 0, 0, 0], LARGE / 8)),
  },
  {
    name: "65,536 CIEs",
    image: (seconds) => {
      const cie = frameOf((writer) => writer.cie());
      return withEhFrame(seconds, repeated([...cie], 65_536));
    },
  },
  {
    name: "CIEs and nothing else",
    image: (seconds) => {
      const cie = frameOf((writer) => writer.cie());
      return withEhFrame(seconds, repeated([...cie], Math.floor(LARGE / cie.length)));
    },
  },
];

const sizes: readonly HostileFile[] = [
  {
    name: ".eh_frame of 200 MB of holes",
    image: (seconds) => sparseFrames(seconds, [[".eh_frame", 200 * MIB]]),
  },
  {
    name: ".eh_frame and .debug_frame of holes, each as large as it may be",
    image: (seconds) =>
      sparseFrames(seconds, [
        [".eh_frame", 96 * MIB],
        [".debug_frame", 96 * MIB],
      ]),
  },
  {
    name: "compressed .eh_frame and .debug_frame that grow a thousandfold",
    image: (seconds) => {
      const image = new ElfImage(seconds);
      const packed = compressed(96 * MIB, new Uint8Array(96 * MIB));
      for (const name of [".eh_frame", ".debug_frame"]) {
        image.section(name, packed, { flags: SHF_COMPRESSED });
      }
      return image;
    },
  },
  {
    name: "a compressed section that grows beyond what it says",
    image: (seconds) => {
      const image = new ElfImage(seconds);
      const bytes = compressed(1024, new Uint8Array(512 * MIB));
      image.section(".debug_frame", bytes, { flags: SHF_COMPRESSED });
      return image;
    },
  },
  {
    name: "a compressed section of 2^63 bytes",
    image: (seconds) => {
      const image = new ElfImage(seconds);
      const bytes = compressed(0, new Uint8Array(1024));
      bytes.fill(0xff, 8, 16);
      image.section(".eh_frame", bytes, { flags: SHF_COMPRESSED });
      return image;
    },
  },
];

function sparseFrames(seconds: number, sections: readonly [string, number][]): ElfImage {
  const image = new ElfImage(seconds);
  for (const [name, size] of sections) {
    image.sections.push({ name, offset: image.hole(size), size });
  }
  return image;
}

function compressed(claimedBytes: number, contents: Uint8Array): Uint8Array {
  const header = [...u32(ELFCOMPRESS_ZLIB), ...u32(0), ...u64(claimedBytes), ...u64(1)];
  return new Uint8Array(Buffer.concat([Uint8Array.from(header), deflateSync(contents)]));
}

const goodFrame = frameOf((writer) => writer.fde(writer.cie()));

const frameHeaders: readonly HostileFile[] = [
  {
    name: ".eh_frame_hdr with 2^32 − 1 entries of nothing",
    image: (seconds) =>
      byProgramHeader(seconds, goodFrame, (frame, header) => [
        ...[1, 0x1b, 3, 0x3b],
        ...u32(frame - header - 4),
        ...all(4),
      ]),
  },
  {
    name: ".eh_frame_hdr that leads to itself",
    image: (seconds) =>
      byProgramHeader(seconds, goodFrame, () => [1, 0x1b, 0xff, 0xff, ...u32(-4)]),
  },
  {
    name: ".eh_frame_hdr that leads through memory out of the file",
    image: (seconds) => byProgramHeader(seconds, goodFrame, () => [1, 0x80, 0xff, 0xff, ...all(8)]),
  },
  {
    name: "PT_GNU_EH_FRAME beyond the file's end",
    image: (seconds) => withHeaderAt(seconds, 2 ** 45),
  },
  {
    name: "PT_GNU_EH_FRAME at 2^64 − 4",
    image: (seconds) => withHeaderAt(seconds, -4n),
  },
  {
    name: "PT_GNU_EH_FRAME to 800 MB of holes",
    image: (seconds) => {
      const image = byProgramHeader(seconds, goodFrame.subarray(0, 0));
      image.hole(800 * MIB);
      return image;
    },
  },
];

function withHeaderAt(seconds: number, offset: number | bigint): ElfImage {
  const image = new ElfImage(seconds);
  image.hasSections = false;
  image.programs.push({ type: PT_GNU_EH_FRAME, offset, address: offset, fileSize: 0xffff_ffff });
  return image;
}

/** Executables with hostile call frame information. */
export const frameFiles: readonly HostileFile[] = [
  ...spoiled.map(({ name, write }) => spoiledFile(name, write)),
  ...storms.map(stormFile),
  ...overlaps,
  ...sizes,
  ...frameHeaders,
];
