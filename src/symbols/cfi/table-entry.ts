/**
 * A file's unwind table as it is kept on disk.
 *
 *   offset  size           field
 *   0       8              magic "OBSUNWND"
 *   8       32             check      SHA-256 of all that follows
 *   40      32             builder    what made the table
 *   72      32             file       what is known of the file without its contents
 *   104     32             digest     SHA-256 of the bytes that were read of the file
 *   136     4              count of reads
 *   140     4              words of rows
 *   144     4              words of the index of pages
 *   148     4              bytes of the rest
 *   152     16 × count     reads      offset and length, as doubles
 *           4 × words      rows
 *           4 × words      index of pages
 *           bytes          the rest of the table: JSON
 *
 * Numbers have this machine's byte order: the builder of a machine of the other is another.
 */
import { createHash } from "node:crypto";
import type { RandomAccess } from "../elf/random-access.ts";
import { DIGEST_BYTES, READS_MAX, type ReadRecord } from "../elf/read-recorder.ts";
import { PAGE_BYTES, ROWS_MAX, SPAN_BYTES_MAX, WORDS_PER_ROW } from "./unwind-rows.ts";
import type { UnwindTable } from "./unwind-table.ts";

const MAGIC = Buffer.from("OBSUNWND");
const CHECK_AT = 8;
const CHECKED_AT: number = CHECK_AT + DIGEST_BYTES;
const FILE_AT: number = CHECKED_AT + DIGEST_BYTES;
const DIGEST_AT: number = FILE_AT + DIGEST_BYTES;
const COUNTS_AT: number = DIGEST_AT + DIGEST_BYTES;
const HEADER_BYTES: number = COUNTS_AT + 16;
const WORD_BYTES = 4;
const READ_BYTES = 16;
/** Machine, base and statistics have less than 1 KiB. */
const REST_BYTES_MAX = 65_536;
const PAGE_WORDS_MAX: number = SPAN_BYTES_MAX / PAGE_BYTES + 2;

/** The largest that there can be: what each of its parts has at most. */
export const ENTRY_BYTES_MAX: number =
  HEADER_BYTES +
  READS_MAX * READ_BYTES +
  (ROWS_MAX * WORDS_PER_ROW + PAGE_WORDS_MAX) * WORD_BYTES +
  REST_BYTES_MAX;

/** Whose table it is. An entry with another is as good as none. */
export interface EntryIdentity {
  /** Of what makes tables: DIGEST_BYTES. */
  readonly builder: Uint8Array;
  /** Of what the builder was given besides the file's contents: DIGEST_BYTES. */
  readonly file: Uint8Array;
}

export interface TableEntry {
  readonly table: UnwindTable;
  /** The table holds for a file that repeats it. */
  readonly record: ReadRecord;
}

/** The pieces to write one after the other; views of the table's arrays among them. */
export function encodeEntry(identity: EntryIdentity, { table, record }: TableEntry): Uint8Array[] {
  const { rows, pageFirst, ...rest } = table;
  const restBytes = Buffer.from(JSON.stringify(rest));
  const header = new Uint8Array(HEADER_BYTES);
  header.set(MAGIC);
  header.set(identity.builder, CHECKED_AT);
  header.set(identity.file, FILE_AT);
  header.set(record.digest, DIGEST_AT);
  const counts = [record.reads.length / 2, rows.length, pageFirst.length, restBytes.length];
  new Uint32Array(header.buffer, COUNTS_AT, counts.length).set(counts);
  const parts = [bytesOf(record.reads), bytesOf(rows), bytesOf(pageFirst), restBytes];
  header.set(checkOf(header, parts), CHECK_AT);
  return [header, ...parts];
}

/**
 * Reads an entry. Undefined when it is of another builder or file, or is not whole to the last
 * bit: a disk and a crash may have left anything.
 *
 * @throws INPUT_MALFORMED  an input that ends before its size
 */
export function readEntry(access: RandomAccess, identity: EntryIdentity): TableEntry | undefined {
  if (access.size < HEADER_BYTES || access.size > ENTRY_BYTES_MAX) return undefined;
  const header = access.read(0, HEADER_BYTES).slice();
  const field = (at: number): Uint8Array => header.subarray(at, at + DIGEST_BYTES);
  const isOurs =
    MAGIC.equals(header.subarray(0, CHECK_AT)) &&
    Buffer.compare(field(CHECKED_AT), identity.builder) === 0 &&
    Buffer.compare(field(FILE_AT), identity.file) === 0;
  if (!isOurs) return undefined;
  const counts = new Uint32Array(header.buffer, COUNTS_AT);
  const [readCount = 0, rowWords = 0, pageWords = 0, restBytes = 0] = counts;
  const words = rowWords + pageWords;
  const size = HEADER_BYTES + readCount * READ_BYTES + words * WORD_BYTES + restBytes;
  if (size !== access.size) return undefined;
  const reads = new Float64Array(2 * readCount);
  const rows = new Uint32Array(rowWords);
  const pageFirst = new Uint32Array(pageWords);
  const rest = new Uint8Array(restBytes);
  const parts = [bytesOf(reads), bytesOf(rows), bytesOf(pageFirst), rest];
  let offset = HEADER_BYTES;
  for (const part of parts) {
    access.readInto(part, offset);
    offset += part.length;
  }
  if (!checkOf(header, parts).equals(field(CHECK_AT))) return undefined;
  const others = JSON.parse(Buffer.from(rest.buffer).toString()) as UnwindTable;
  return { table: { ...others, rows, pageFirst }, record: { reads, digest: field(DIGEST_AT) } };
}

function checkOf(header: Uint8Array, parts: readonly Uint8Array[]): Buffer {
  const hash = createHash("sha256").update(header.subarray(CHECKED_AT));
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function bytesOf({ buffer }: Float64Array<ArrayBuffer> | Uint32Array<ArrayBuffer>): Uint8Array {
  return new Uint8Array(buffer);
}
