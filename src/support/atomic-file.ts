import type { Stats } from "node:fs";
import { type FileHandle, lstat, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { CollectorError } from "./errors.ts";

/** Who owns a new file, by user and group id. */
export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Writes a whole file so that its final name never shows a part of it: the bytes go to a
 * neighbour, reach the disk, and the neighbour is renamed. On failure nothing is left.
 *
 * A file that was there keeps its mode and its owner. A device or a FIFO stays what it is and is
 * written to. A link to a file is refused: who can put one where root writes could have any
 * file replaced.
 *
 * @param owner  of a file that was not there; the writer when not given
 * @throws CollectorError  PERMISSION, NOT_FOUND or UNAVAILABLE_RETRYABLE (disk full), with the mend
 */
export async function writeFileAtomically(
  path: string,
  bytes: Uint8Array,
  owner?: FileOwner,
): Promise<void> {
  try {
    const isLink = (await statIfThere(path, lstat))?.isSymbolicLink() ?? false;
    const before = await statIfThere(path, stat);
    if (isLink && (before === undefined || before.isFile())) throw linkError(path);
    if (before === undefined) return await replace(path, bytes, owner ?? {});
    if (!before.isFile()) return await writeInPlace(path, bytes);
    await replace(path, bytes, before);
  } catch (error) {
    throw error instanceof CollectorError ? error : fileError(path, error);
  }
}

/** What a file that is replaced hands on. */
interface FileTraits extends Partial<FileOwner> {
  readonly mode?: number;
}

function linkError(path: string): CollectorError {
  return new CollectorError("CONFIG_INVALID", `${path} is a link: name the file that it leads to`);
}

async function statIfThere(
  path: string,
  look: typeof stat | typeof lstat,
): Promise<Stats | undefined> {
  try {
    return await look(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function replace(path: string, bytes: Uint8Array, like: FileTraits): Promise<void> {
  const partial = `${path}.${process.pid}.partial`;
  // "wx": a file that somebody put there before is never followed nor overwritten.
  const file = await open(partial, "wx", like.mode === undefined ? 0o644 : 0o600);
  try {
    await fill(file, bytes, like);
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

async function fill(file: FileHandle, bytes: Uint8Array, like: FileTraits): Promise<void> {
  try {
    await file.writeFile(bytes);
    // Only root may give a file away; the mode after it, since a new owner clears bits of it.
    if (process.getuid?.() === 0 && like.uid !== undefined && like.gid !== undefined) {
      await file.chown(like.uid, like.gid);
    }
    if (like.mode !== undefined) await file.chmod(like.mode & 0o777);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function writeInPlace(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "w");
  try {
    await file.writeFile(bytes);
  } finally {
    await file.close();
  }
}

/** A file that could not be read or written, in one plain sentence with the mend. */
export function fileError(
  path: string,
  cause: unknown,
  purpose: "read" | "write" = "write",
): CollectorError {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? "";
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return new CollectorError(
        "UNAVAILABLE_RETRYABLE",
        `no space left for ${path}: free some, or choose another place`,
        { cause },
      );
    case "ENOENT":
      return new CollectorError(
        "NOT_FOUND",
        purpose === "read"
          ? `${path}: there is no such file`
          : `${path}: its folder ${dirname(path)} does not exist, or takes no files`,
        { cause },
      );
    case "ENOTDIR":
      return new CollectorError("NOT_FOUND", `${path}: a part of this path is not a folder`, {
        cause,
      });
    case "EISDIR":
      return new CollectorError("CONFIG_INVALID", `${path} is a folder: name a file in it`, {
        cause,
      });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new CollectorError(
        "PERMISSION",
        `${path}: not permitted (${code}): choose a place that you may use`,
        { cause },
      );
    default:
      return new CollectorError("INTERNAL", `${path}: ${String((cause as Error)?.message)}`, {
        cause,
      });
  }
}
