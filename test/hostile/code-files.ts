import { BASE, ElfImage, PAGE, PF_R, PF_RX, PT_LOAD, TEXT_AT } from "./elf-image.ts";
import { manyFdes, repeated, TEXT, withEhFrame } from "./frame-bytes.ts";
import type { HostileFile } from "./hostile-files.ts";

const MIB = 1024 * 1024;
/** Code that is followed at once, less the page in front of it. */
const FOLLOWED = 4 * MIB - PAGE;
/** mov eax, 15; syscall: returns from a signal handler. */
const SIGNAL_STUB = [0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05];
/** push rbp; mov rbp, rsp. */
const PROLOGUE = [0x55, 0x48, 0x89, 0xe5];

/** Code without call frame information, of one instruction again and again. */
const patterns: { name: string; code: number[] }[] = [
  { name: "pushes", code: [0x50] },
  { name: "pushes and pops", code: [0x50, 0x58] },
  { name: "jumps to the next instruction", code: [0xeb, 0] },
  { name: "calls of the next instruction", code: [0xe8, 0, 0, 0, 0] },
  { name: "functions of one push", code: [0x50, 0x58, 0xc3, 0x90, 0x50, 0x58, 0xc3, 0xcc] },
  { name: "branches back", code: [0x74, 0xfe] },
  { name: "prefixes", code: [0x66] },
  { name: "indirect jumps and branches", code: [0xff, 0xe0, 0x74, 2, 0x75, 0xfa, 0x58] },
  { name: "calls and padding", code: [0xe8, 0, 0, 0, 0, 0x90, 0x90, 0xcc] },
  { name: "halts", code: [0xf4] },
  { name: "returns to a register", code: [0x58, 0x90, 0xff, 0xe0] },
];

const followed: readonly HostileFile[] = patterns.map(({ name, code }) => ({
  name: `4 MiB of code: ${name}`,
  image: (seconds) => {
    const image = new ElfImage(seconds, FOLLOWED);
    const bytes = repeated(code, Math.floor((FOLLOWED - PAGE) / code.length));
    for (let stub = 1; stub <= 16; stub++) bytes.set(SIGNAL_STUB, stub * 200_000);
    image.place(TEXT_AT + PAGE, bytes);
    return image;
  },
}));

const wide: readonly HostileFile[] = [
  {
    name: "code of 900 MB of holes",
    image: (seconds) => {
      const image = new ElfImage(seconds, 900 * MIB);
      image.hole(PAGE);
      return image;
    },
  },
  {
    name: "code of 2 GB that another segment hides in the middle",
    image: (seconds) => {
      const image = new ElfImage(seconds, 2048 * MIB);
      image.place(TEXT_AT + PAGE, repeated([...PROLOGUE, ...Array(60).fill(0x90)], 960));
      // The first segment that holds an address tells where the file has it: here nowhere.
      image.programs.push({
        type: PT_LOAD,
        flags: PF_R,
        offset: image.end + MIB,
        address: BASE + 16 * MIB,
        fileSize: 4 * MIB,
      });
      return image;
    },
  },
  {
    name: "a million gaps in 120 segments",
    image: (seconds) => {
      const textBytes = 32 * MIB;
      const place = (index: number) => ({ start: TEXT + 32 * index, byteCount: 8 });
      const image = withEhFrame(seconds, manyFdes(1_000_000, textBytes, place), textBytes);
      // In front of the segment with the code, so that each search goes past them.
      for (let index = 0; index < 120; index++) {
        const address = 0x1_0000_0000 + index * 2 * PAGE;
        image.programs.push({ type: PT_LOAD, flags: PF_R, offset: 0, address, fileSize: PAGE });
      }
      return image;
    },
  },
  {
    name: "a million gaps in 64 sections",
    image: (seconds) => {
      const textBytes = 32 * MIB;
      const place = (index: number) => ({ start: TEXT + 32 * index, byteCount: 8 });
      const image = withEhFrame(seconds, manyFdes(1_000_000, textBytes, place), textBytes);
      for (let index = 0; index < 64; index++) {
        const size = PAGE * (index + 1);
        image.sections.push({ name: ".text", flags: 4, offset: TEXT_AT, size });
      }
      return image;
    },
  },
  {
    name: "120 segments of code with 4 MiB each in one place",
    image: (seconds) => {
      const image = new ElfImage(seconds, FOLLOWED);
      image.place(TEXT_AT + PAGE, repeated([0x50, 0x58, 0xc3, 0x90], (FOLLOWED - PAGE) / 4));
      for (let index = 1; index <= 120; index++) {
        image.programs.push({
          type: PT_LOAD,
          flags: PF_RX,
          offset: 0,
          address: 0x1000_0000 + index * FOLLOWED,
          fileSize: FOLLOWED,
        });
      }
      return image;
    },
  },
];

/** Executables whose code, without call frame information, is hostile itself. */
export const codeFiles: readonly HostileFile[] = [...followed, ...wide];
