import { limitExceeded, malformed, messageOf } from "../../support/errors.ts";
import { type ElfFile, readElf, readSectionBytes } from "./elf-file.ts";
import { bytesAccess } from "./random-access.ts";

/** Compressed; Fedora's largest has 1 MB. */
const COMPRESSED_BYTES_MAX = 16 * 1024 * 1024;
/** Decompressed; it shrinks to a sixth. */
const BYTES_MAX = 64 * 1024 * 1024;

/**
 * The symbol table that a stripped program carries with it, compressed with xz, as a file of its
 * own; undefined when it has none. Source: GDB's manual, "Debugging information in a special
 * section".
 *
 * @throws INPUT_MALFORMED, LIMIT_EXCEEDED
 */
export async function openMiniDebugInfo(elf: ElfFile): Promise<ElfFile | undefined> {
  const section = elf.sections.find(({ name }) => name === ".gnu_debugdata");
  if (section === undefined) return undefined;
  const where = `${elf.access.name}: ${section.name}`;
  const bytes = await decompressed(readSectionBytes(elf, section, COMPRESSED_BYTES_MAX), where);
  return readElf(bytesAccess(bytes, where));
}

/** The library's decoder is a stream; it is loaded by the few who need it. */
async function decompressed(compressed: Uint8Array, where: string): Promise<Uint8Array> {
  const { XzReadableStream } = (await import("xz-decompress")).default;
  const source = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(compressed);
      controller.close();
    },
  });
  const pieces: Uint8Array[] = [];
  let byteCount = 0;
  try {
    for await (const piece of new XzReadableStream(source)) {
      byteCount += piece.length;
      if (byteCount > BYTES_MAX) {
        throw limitExceeded(where, "bytes decompressed", byteCount, BYTES_MAX);
      }
      // The decoder gives out views of memory that it uses again.
      pieces.push(piece.slice());
    }
  } catch (error) {
    if (byteCount > BYTES_MAX) throw error;
    throw malformed(where, `cannot be decompressed: ${messageOf(error)}`);
  }
  return Buffer.concat(pieces);
}
