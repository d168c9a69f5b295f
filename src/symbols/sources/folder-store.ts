import { isAbsolute, join } from "node:path";
import { firstFitting, missingFile } from "./candidates.ts";
import {
  buildIdOf,
  type DebugFileSource,
  type FoundDebugFile,
  type MissingDebugFile,
  type WantedDebugFile,
} from "./debug-file.ts";
import { type Layout, layouts, pathInLayout } from "./layouts.ts";

/** A folder that keeps debug files by their build ids. */
export class FolderStore implements DebugFileSource {
  readonly name: string;
  readonly #folder: string;
  readonly #layout: Layout;

  constructor(name: string, folder: string, layout: Layout) {
    this.name = name;
    this.#folder = folder;
    this.#layout = layout;
  }

  async find(wanted: WantedDebugFile): Promise<FoundDebugFile | MissingDebugFile> {
    const path = pathInLayout(this.#layout, wanted);
    if (path === undefined) return missingFile([]);
    const candidates = [{ path: join(this.#folder, path) }];
    return await firstFitting(this.name, candidates, { buildId: buildIdOf(wanted) });
  }
}

/** The debug directories: those that the process itself sees, then those of this host. */
export class DebugDirectories implements DebugFileSource {
  readonly name = "debug_dirs";
  readonly #folders: readonly string[];

  constructor(folders: readonly string[]) {
    this.#folders = folders;
  }

  async find(wanted: WantedDebugFile): Promise<FoundDebugFile | MissingDebugFile> {
    const path = pathInLayout(layouts.build_id, wanted);
    if (path === undefined) return missingFile([]);
    const own = wanted.root === undefined ? [] : this.#folders.filter((each) => isAbsolute(each));
    const candidates = [
      ...own.map((folder) => ({ path: join(folder, path), root: wanted.root })),
      ...this.#folders.map((folder) => ({ path: join(folder, path) })),
    ];
    return await firstFitting(this.name, candidates, { buildId: buildIdOf(wanted) });
  }
}
