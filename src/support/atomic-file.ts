import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { CollectorError } from "./errors.ts";

/**
 * Writes a whole file so that its final name never shows a part of it: the bytes go to a
 * neighbour, reach the disk, and the neighbour is renamed. On failure nothing is left.
 *
 * @throws CollectorError  PERMISSION, NOT_FOUND or UNAVAILABLE_RETRYABLE (disk full), with the mend
 */
export async function writeFileAtomically(path: string, bytes: Uint8Array): Promise<void> {
  const partial = `${path}.${process.pid}.partial`;
  try {
    await writeAndSync(partial, bytes);
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw fileError(path, error);
  }
}

async function writeAndSync(path: string, bytes: Uint8Array): Promise<void> {
  // "wx": a file that somebody put there before is never followed nor overwritten.
  const file = await open(path, "wx", 0o644);
  try {
    await file.writeFile(bytes);
    await file.sync();
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
          : `${path}: its folder ${dirname(path)} does not exist`,
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
