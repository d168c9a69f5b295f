import { ByteReader } from "../../support/byte-reader.ts";
import { type ElfFile, readSectionBytes } from "./elf-file.ts";

/** A path and a checksum, or a path and an id. */
const LINK_BYTES_MAX = 8192;

/** The name of the file that has the debug information, with the CRC-32 of that file. */
export interface DebugLink {
  readonly name: string;
  readonly crc: number;
}

/** The file that dwz put what several files share into. */
export interface AltLink {
  readonly name: string;
  /** Lower-case hex. */
  readonly buildId: string;
}

/** What .gnu_debuglink says; undefined when it is not there or broken. Source: GDB's manual. */
export function readDebugLink(elf: ElfFile): DebugLink | undefined {
  const reader = linkReader(elf, ".gnu_debuglink");
  const name = reader?.cString() ?? "";
  if (reader === undefined || name === "") return undefined;
  // The checksum is aligned to four bytes.
  const padding = -reader.offset & 3;
  if (reader.remaining < padding + 4) return undefined;
  reader.skip(padding);
  return { name, crc: reader.u32() };
}

/** What .gnu_debugaltlink says; undefined when it is not there or broken. */
export function readAltLink(elf: ElfFile): AltLink | undefined {
  const reader = linkReader(elf, ".gnu_debugaltlink");
  const name = reader?.cString() ?? "";
  if (reader === undefined || name === "" || reader.remaining === 0) return undefined;
  return { name, buildId: reader.bytes(reader.remaining).toHex() };
}

function linkReader(elf: ElfFile, name: string): ByteReader | undefined {
  const section = elf.sections.find((one) => one.name === name);
  if (section === undefined || section.size > LINK_BYTES_MAX) return undefined;
  try {
    const bytes = readSectionBytes(elf, section, LINK_BYTES_MAX);
    return new ByteReader(bytes, `${elf.access.name}: ${name}`, elf.littleEndian);
  } catch {
    // A link that the file does not hold leads nowhere.
    return undefined;
  }
}
