import { stat } from "node:fs/promises";
import { join } from "node:path";
import { firstFitting, missingFile } from "./candidates.ts";
import {
  buildIdOf,
  type DebugFileSource,
  type FoundDebugFile,
  type MissingDebugFile,
  type WantedDebugFile,
} from "./debug-file.ts";
import { layouts, pathInLayout } from "./layouts.ts";
import { NOT_THERE } from "./opened-file.ts";

const ROOT = 0;

/**
 * The cache of elfutils' debuginfod client, which gdb and others fill. Its layout belongs to that
 * client, so it is only read; a file without bytes in it says that no server had it.
 */
export class ClientCache implements DebugFileSource {
  readonly name = "debuginfod_cache_path";
  readonly #folder: string | undefined;

  constructor(folder: string | undefined) {
    this.#folder = folder;
  }

  async find(wanted: WantedDebugFile): Promise<FoundDebugFile | MissingDebugFile> {
    const path = pathInLayout(layouts.parca, wanted);
    if (this.#folder === undefined || path === undefined || !(await isOurs(this.#folder))) {
      return missingFile([]);
    }
    const candidates = [{ path: join(this.#folder, path) }];
    const found = await firstFitting(this.name, candidates, { buildId: buildIdOf(wanted) });
    // Only who uses that client expects a file there.
    const isSilent = "missing" in found && found.lookedAt[0]?.why === NOT_THERE;
    return isSilent ? missingFile([]) : found;
  }
}

/** After sudo, HOME may be that of the user who could choose what root reads there. */
async function isOurs(folder: string): Promise<boolean> {
  try {
    const { uid } = await stat(folder);
    return uid === ROOT || uid === process.geteuid?.();
  } catch {
    return false;
  }
}
