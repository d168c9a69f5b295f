/**
 * Notes: what linkers leave in a file to be known by.
 *
 *   offset  size           field
 *   0       4              namesz    with its NUL
 *   4       4              descsz
 *   8       4              type
 *   12      namesz, padded name
 *   …       descsz, padded desc
 *
 * Source: System V gABI, chapter 5, "Note Section".
 */
import { ByteReader } from "../../support/byte-reader.ts";
import { limitExceeded } from "../../support/errors.ts";

/** A SHA-512 has 64 bytes, Go's text 83. */
export const BUILD_ID_BYTES_MAX = 256;

const NT_GNU_BUILD_ID = 3;
const NT_GO_BUILD_ID = 4;
const NOTE_HEADER_BYTES = 12;

export interface BuildIds {
  /** Lower-case hex; "" when there is none. */
  readonly gnu: string;
  /** Go's text; "" when there is none. */
  readonly go: string;
}

export interface NoteLayout {
  readonly littleEndian: boolean;
  /** Bytes to which names and contents are padded. */
  readonly alignment: number;
}

/**
 * The first id of each kind in an area of notes. An area that ends within a note holds what
 * stands before it.
 *
 * @param name  what errors call the area
 * @throws LIMIT_EXCEEDED  for an id that is too long to be one
 */
export function readBuildIds(area: Uint8Array, layout: NoteLayout, name: string): BuildIds {
  const reader = new ByteReader(area, name, layout.littleEndian);
  const padded = (size: number): number => Math.ceil(size / layout.alignment) * layout.alignment;
  let gnu = "";
  let go = "";
  while (reader.remaining >= NOTE_HEADER_BYTES) {
    const nameBytes = reader.u32();
    const descBytes = reader.u32();
    const type = reader.u32();
    if (padded(nameBytes) + descBytes > reader.remaining) break;
    const owner = latin1(reader.bytes(padded(nameBytes)).subarray(0, nameBytes));
    const desc = reader.bytes(descBytes);
    reader.skip(Math.min(padded(descBytes) - descBytes, reader.remaining));
    const isGnu = owner === "GNU\0" && type === NT_GNU_BUILD_ID;
    const isGo = owner === "Go\0\0" && type === NT_GO_BUILD_ID;
    if (!isGnu && !isGo) continue;
    if (descBytes > BUILD_ID_BYTES_MAX) {
      throw limitExceeded(name, "bytes of a build id", descBytes, BUILD_ID_BYTES_MAX);
    }
    if (isGnu) gnu ||= desc.toHex();
    else go ||= latin1(desc);
  }
  return { gnu, go };
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
