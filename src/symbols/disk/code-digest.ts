import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { endianness } from "node:os";
import { basename, join } from "node:path";
import { programVersion } from "../../support/program.ts";

/** The folders of all code that makes what is kept: more than each needs, and none is forgotten. */
export const DIGESTED_FOLDERS: readonly string[] = ["symbols", "profiles", "support"].map(
  (folder) => join(import.meta.dirname, "../..", folder),
);
const CODE = /^[^.]+\.(?:ts|js)$/;

/**
 * SHA-256 of the code that reads files, and of this machine's byte order: who keeps on disk what
 * that code made tells by it what other code made. A number that somebody must remember to raise
 * would be forgotten, and what older code made would be wrong for as long as it is kept.
 *
 * @throws what the file system throws, where the code is not in files
 */
export function codeDigest(): Uint8Array {
  const hash = createHash("sha256").update(`${programVersion()} ${endianness()}`);
  for (const folder of DIGESTED_FOLDERS) {
    for (const path of readdirSync(folder, { recursive: true, encoding: "utf8" }).sort()) {
      if (!CODE.test(basename(path))) continue;
      hash.update(`\n${path}\n`).update(readFileSync(join(folder, path)));
    }
  }
  return hash.digest();
}
