import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { endianness } from "node:os";
import { join } from "node:path";
import { programVersion } from "../../support/program.ts";

const CODE = /^[^.]+\.(?:ts|js)$/;

/**
 * SHA-256 of the code in some folders, and of this machine's byte order: who keeps on disk what
 * that code made tells by it what other code made. A number that somebody must remember to raise
 * would be forgotten, and what older code made would be wrong for as long as it is kept.
 *
 * @throws what the file system throws, where the code is not in files
 */
export function codeDigest(folders: readonly string[]): Uint8Array {
  const hash = createHash("sha256").update(`${programVersion()} ${endianness()}`);
  for (const folder of folders) {
    for (const name of readdirSync(folder).sort()) {
      if (CODE.test(name)) hash.update(`\n${name}\n`).update(readFileSync(join(folder, name)));
    }
  }
  return hash.digest();
}
