/**
 * Indexes on disk, so that a file's debug information is read once and not at every start.
 *
 * A build id does not decide: any program can claim that of the C library. An entry is found by
 * what a file's headers say, and holds for the file whose every byte has the SHA-256 that is in
 * the entry. A debug file, which may have gigabytes, is told by its inode and times: whoever could
 * put another in its place could do so without an index, too.
 */
import { createHash } from "node:crypto";
import { closeSync, existsSync, fstatSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { systemClock } from "../../support/clock.ts";
import { messageOf } from "../../support/errors.ts";
import { codeDigest } from "../disk/code-digest.ts";
import { EntryFolder } from "../disk/entry-folder.ts";
import { privateFolder } from "../disk/private-folder.ts";
import type { ElfFile } from "../elf/elf-file.ts";
import { fileAccess, type RandomAccess } from "../elf/random-access.ts";
import type { Missing } from "../executable-file.ts";
import { SymbolIndex } from "./symbol-index.ts";

/** Indexes of a host's programs with debug information have some MB each, a JVM's 30. */
const CACHE_BYTES_MAX = 1024 * 1024 * 1024;
const CACHE_ENTRIES_MAX = 1024;
const INDEXES_FOLDER = "symbol-indexes";
/** An entry begins with the digest of its file, and the CRC-32 of the index behind both. */
const DIGEST_BYTES = 32;
const CHECK_BYTES = 4;
const HEAD_BYTES = DIGEST_BYTES + CHECK_BYTES;
/** Read and hashed at once. */
const PIECE_BYTES = 1024 * 1024;
/** Files that are larger have no index: each start of the program hashes them again. */
export const INDEXED_FILE_BYTES_MAX: number = 512 * 1024 * 1024;

/** A file with code, and the files from which its debug information is. */
export interface IndexedFiles {
  readonly elf: ElfFile;
  /** Descriptors of the debug file, the dwz file and the package; undefined for what is not used. */
  readonly others: readonly (number | undefined)[];
}

/** An index that is open. Whoever opens it disposes of it. */
export interface OpenedIndex extends Disposable {
  readonly index: SymbolIndex;
}

/** The cache in `folder`, or why there can be none. Waits for the disk: for workers. */
export function openIndexCache(folder: string): IndexCache | Missing {
  const own = privateFolder(join(folder, INDEXES_FOLDER));
  if ("missing" in own) return own;
  try {
    return new IndexCache(own.path, codeDigest());
  } catch (error) {
    return { missing: `this program's code cannot be read: ${messageOf(error)}` };
  }
}

/** Whether some index was ever kept there; makes no folder. */
export function hasIndexes(folder: string): boolean {
  return existsSync(join(folder, INDEXES_FOLDER));
}

export class IndexCache {
  /** A private folder. */
  readonly path: string;
  readonly #builder: Uint8Array;
  readonly #folder: EntryFolder;

  /** @param builder  the digest of what makes indexes: those of another are not found */
  constructor(path: string, builder: Uint8Array) {
    this.path = path;
    this.#builder = builder;
    this.#folder = new EntryFolder({
      path,
      suffix: ".symbols",
      bytesMax: CACHE_BYTES_MAX,
      entriesMax: CACHE_ENTRIES_MAX,
      isSynced: true,
      clock: systemClock,
    });
  }

  /** The index that holds for just these files; undefined when there is none. Never throws. */
  find(files: IndexedFiles): OpenedIndex | undefined {
    const digest = this.#digestOf(files);
    const fd = this.#folder.open(digest);
    if (fd === undefined) return undefined;
    try {
      const access = fileAccess(fd, this.#folder.pathOf(digest));
      const head = Buffer.from(access.read(0, HEAD_BYTES));
      const body = after(access, HEAD_BYTES);
      const isWhole = head.readUInt32LE(DIGEST_BYTES) === checksum(body);
      if (isWhole && head.subarray(0, DIGEST_BYTES).equals(contentDigest(files.elf))) {
        this.#folder.touch(fd);
        const index = new SymbolIndex(body);
        return { index, [Symbol.dispose]: () => closeSync(fd) };
      }
    } catch {
      // A broken entry, or a file that was cut: its debug information is there.
    }
    closeSync(fd);
    return undefined;
  }

  /**
   * Keeps the index of some files.
   *
   * @param make  makes it; nobody else can write to the file with code meanwhile
   * @returns its bytes, or why it is not kept, as when a debug file was written to meanwhile
   * @throws what `make` and the file system throw: a full disk, a folder that is gone
   */
  async keep(
    files: IndexedFiles,
    make: () => Promise<readonly Uint8Array[] | Missing>,
  ): Promise<{ readonly bytes: number } | Missing> {
    const digest = this.#digestOf(files);
    const pieces = await make();
    if ("missing" in pieces) return pieces;
    if (Buffer.compare(this.#digestOf(files), digest) !== 0) {
      return { missing: "its debug file has changed meanwhile" };
    }
    const check = Buffer.alloc(CHECK_BYTES);
    check.writeUInt32LE(pieces.reduce((sum, piece) => crc32(piece, sum), 0));
    const entry = [contentDigest(files.elf), check, ...pieces];
    const evicted = this.#folder.write(digest, entry);
    const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
    return evicted === undefined ? { missing: `its index has ${bytes} bytes` } : { bytes };
  }

  #digestOf({ elf, others }: IndexedFiles): Uint8Array {
    const { access, ...headers } = elf;
    const known = JSON.stringify([access.size, headers, others.map(identityOf)], (_, value) =>
      typeof value === "bigint" ? `${value}` : value,
    );
    return createHash("sha256").update(this.#builder).update(known).digest();
  }
}

/** What tells a file that stays where it is from every other. */
function identityOf(fd: number | undefined): string {
  if (fd === undefined) return "";
  const { dev, ino, size, mtimeNs, ctimeNs } = fstatSync(fd, { bigint: true });
  return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
}

function contentDigest({ access }: ElfFile): Uint8Array {
  const hash = createHash("sha256");
  for (const piece of piecesOf(access)) hash.update(piece);
  return hash.digest();
}

/** A disk that gives other bytes than were written costs names, and makes none up. */
function checksum(access: RandomAccess): number {
  let sum = 0;
  for (const piece of piecesOf(access)) sum = crc32(piece, sum);
  return sum;
}

/** One behind the other, in the same memory. */
function* piecesOf(access: RandomAccess): Generator<Uint8Array> {
  const piece = new Uint8Array(Math.min(PIECE_BYTES, access.size));
  for (let offset = 0; offset < access.size; offset += PIECE_BYTES) {
    const part = piece.subarray(0, Math.min(PIECE_BYTES, access.size - offset));
    access.readInto(part, offset);
    yield part;
  }
}

/** What is behind the first bytes. */
function after(access: RandomAccess, skipped: number): RandomAccess {
  return {
    name: access.name,
    size: access.size - skipped,
    read: (offset, length) => access.read(offset + skipped, length),
    readInto: (target, offset) => access.readInto(target, offset + skipped),
  };
}
