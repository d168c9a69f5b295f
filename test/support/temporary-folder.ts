import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder that is removed with all that is in it when its scope ends. */
export interface TemporaryFolder extends Disposable {
  readonly path: string;
  /** The path of a name inside it. */
  file(name: string): string;
}

/** A new empty folder: `using folder = temporaryFolder();`. */
export function temporaryFolder(): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), "obsforge-test-"));
  return {
    path,
    file: (name) => join(path, name),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}
