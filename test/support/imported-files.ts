import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const IMPORTS = /^(?:import|export)\s+(?!type\b)[^;]*?from "(\..*?)"|\bimport\("(\..*?)"\)/gm;

/** A module and all of the project's that it loads, at once or later; imports of types load none. */
export function importedFiles(module: string): Set<string> {
  const seen = new Set([module]);
  for (const path of seen) {
    for (const [, still, lazily] of readFileSync(path, "utf8").matchAll(IMPORTS)) {
      seen.add(join(dirname(path), still ?? lazily ?? ""));
    }
  }
  return seen;
}
