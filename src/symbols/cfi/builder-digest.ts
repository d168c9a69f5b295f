import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { endianness } from "node:os";
import { join } from "node:path";
import { programVersion } from "../../support/program.ts";

/** The folders whose code decides what a table holds, beside this module. */
const FOLDERS = [".", "../elf"];
const CODE = /^[^.]+\.(?:ts|js)$/;

/**
 * SHA-256 of the code that makes tables and reads files for it, and of this machine's byte order.
 * A number that somebody must remember to raise would be forgotten: a table of older code would
 * unwind wrongly for as long as it is kept.
 *
 * @throws what the file system throws, where the code is not in files
 */
export function builderDigest(): Uint8Array {
  const hash = createHash("sha256").update(`${programVersion()} ${endianness()}`);
  const here = import.meta.dirname;
  for (const folder of FOLDERS) {
    for (const name of readdirSync(join(here, folder)).sort()) {
      if (CODE.test(name))
        hash.update(`\n${name}\n`).update(readFileSync(join(here, folder, name)));
    }
  }
  return hash.digest();
}
