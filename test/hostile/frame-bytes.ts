import { FrameWriter, TEXT, u32, u64, uleb } from "../../src/symbols/cfi/testing/cfi-writer.ts";
import { BASE, ElfImage, PAGE, PT_GNU_EH_FRAME } from "./elf-image.ts";

/** Where a function of the code that is described begins, and how long it is. */
export interface CodePlace {
  readonly start: number;
  readonly byteCount: number;
}

const DW_EH_PE_pcrel_sdata4 = 0x1b;
const DW_EH_PE_omit = 0xff;
/** Length, pointer to the CIE, start, byte count, length of the augmentation's data. */
const FDE_BYTES = 17;

/** What FrameWriter makes; it describes code of `textBytes`. */
export function frameOf(
  write: (writer: FrameWriter) => void,
  textBytes: number = PAGE,
): Uint8Array {
  const writer = new FrameWriter({ textBytes });
  write(writer);
  return Uint8Array.from(writer.bytes);
}

/** One CIE and a million FDEs, say: what FrameWriter is too slow for. */
export function manyFdes(
  count: number,
  textBytes: number,
  place: (index: number) => CodePlace,
): Uint8Array {
  const cie = frameOf((writer) => writer.cie());
  const bytes = new Uint8Array(cie.length + count * FDE_BYTES);
  const view = new DataView(bytes.buffer);
  const address = TEXT + textBytes;
  bytes.set(cie);
  for (let index = 0; index < count; index++) {
    const at = cie.length + index * FDE_BYTES;
    const { start, byteCount } = place(index);
    view.setUint32(at, FDE_BYTES - 4, true);
    view.setUint32(at + 4, at + 4, true);
    view.setInt32(at + 8, start - (address + at + 8), true);
    view.setUint32(at + 12, byteCount, true);
  }
  return bytes;
}

/** One CIE and one FDE of all the code, with these instructions. */
export function longFde(instructions: Uint8Array, textBytes: number): Uint8Array {
  const head = frameOf((writer) => {
    writer.fde(writer.cie(), { byteCount: textBytes });
  }, textBytes);
  const bytes = new Uint8Array(head.length + instructions.length);
  bytes.set(head);
  bytes.set(instructions, head.length);
  new DataView(bytes.buffer).setUint32(
    head.length - FDE_BYTES,
    FDE_BYTES - 4 + instructions.length,
    true,
  );
  return bytes;
}

/** A pattern again and again. */
export function repeated(pattern: readonly number[], count: number): Uint8Array {
  return new Uint8Array(Buffer.alloc(pattern.length * count, Uint8Array.from(pattern)));
}

/** An executable with these bytes as .eh_frame behind code of `textBytes`. */
export function withEhFrame(
  seconds: number,
  frame: Uint8Array,
  textBytes: number = PAGE,
): ElfImage {
  const image = new ElfImage(seconds, textBytes);
  image.section(".eh_frame", frame);
  return image;
}

/** The same without section headers: only the program header leads to it. */
export function byProgramHeader(
  seconds: number,
  frame: Uint8Array,
  header?: (frameAddress: number, headerAddress: number) => number[],
): ElfImage {
  const image = new ElfImage(seconds);
  image.hasSections = false;
  const frameAt = image.append(frame);
  const headerAt = Math.ceil(image.end / 8) * 8;
  const bytes = (header ?? ehFrameHeader)(BASE + frameAt, BASE + headerAt);
  image.append(bytes);
  image.programs.push({ type: PT_GNU_EH_FRAME, offset: headerAt, fileSize: bytes.length });
  return image;
}

function ehFrameHeader(frameAddress: number, headerAddress: number): number[] {
  const pointer = u32(frameAddress - headerAddress - 4);
  return [1, DW_EH_PE_pcrel_sdata4, DW_EH_PE_omit, DW_EH_PE_omit, ...pointer];
}

export { FrameWriter, TEXT, u32, u64, uleb };
