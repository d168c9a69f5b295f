/** The files that a program names, or that stand beside it by custom. */
import { basename, isAbsolute, join } from "node:path";
import { isBuildId } from "./build-id.ts";
import {
  type Candidate,
  firstFitting,
  type LinkOrigin,
  linkOrigin,
  missingFile,
} from "./candidates.ts";
import {
  buildIdOf,
  type DebugFileSource,
  type FoundDebugFile,
  kindOf,
  type MissingDebugFile,
  type WantedDebugFile,
} from "./debug-file.ts";

/** `.gnu_debuglink`: beside the program, in its `.debug`, and below the debug directories. */
export class DebugLinks implements DebugFileSource {
  readonly name = "debug_link";
  readonly #debugDirs: readonly string[];

  constructor(debugDirs: readonly string[]) {
    this.#debugDirs = debugDirs;
  }

  async find(wanted: WantedDebugFile): Promise<FoundDebugFile | MissingDebugFile> {
    const { debugLink } = wanted;
    if (kindOf(wanted) !== "debuginfo" || debugLink === undefined) return missingFile([]);
    // The linker writes a name. Folders in it would lead wherever the file's maker likes.
    if (!isName(debugLink.name)) {
      return missingFile([{ place: ".gnu_debuglink", why: "holds no plain name" }]);
    }
    const origin = await linkOrigin(wanted);
    if (origin === undefined) return missingFile([]);
    return await firstFitting(this.name, besideAndBelow(origin, debugLink.name, this.#debugDirs), {
      buildId: buildIdOf(wanted),
      crc: debugLink.crc,
      notInode: origin.inode,
    });
  }
}

/** dwz's files: by the path in `.gnu_debugaltlink`, or the same name below a debug directory. */
export class AltLinks implements DebugFileSource {
  readonly name = "alt_link";
  readonly #debugDirs: readonly string[];

  constructor(debugDirs: readonly string[]) {
    this.#debugDirs = debugDirs;
  }

  async find(wanted: WantedDebugFile): Promise<FoundDebugFile | MissingDebugFile> {
    const { altLink } = wanted;
    const buildId = buildIdOf(wanted);
    // Nothing else proves that a file of this path is the one that was made with the link.
    if (kindOf(wanted) !== "supplementary" || altLink === undefined || !isBuildId(buildId)) {
      return missingFile([]);
    }
    const origin = await linkOrigin(wanted);
    const candidates = [
      ...(origin === undefined ? [] : byPath(origin, altLink.name)),
      ...this.#belowDebugDirs(origin, altLink.name),
    ];
    return await firstFitting(this.name, candidates, { buildId, notInode: origin?.inode });
  }

  /** Distributions keep them in `.dwz`, which may have been brought here under another folder. */
  #belowDebugDirs(origin: LinkOrigin | undefined, name: string): Candidate[] {
    const [, below] = /(?:^|\/)\.dwz\/([^\0]+)$/.exec(name) ?? [];
    const names = [...new Set([...(below === undefined ? [] : [below]), basename(name)])];
    const isSafe = (each: string): boolean => each.split("/").every(isName);
    const paths = this.#debugDirs.flatMap((folder) =>
      names.filter(isSafe).map((each) => join(folder, ".dwz", each)),
    );
    return [
      ...(origin?.root === undefined ? [] : paths.map((path) => ({ path, root: origin.root }))),
      ...paths.map((path) => ({ path })),
    ];
  }
}

function byPath({ folders, root }: LinkOrigin, name: string): Candidate[] {
  if (isAbsolute(name)) return [{ path: name, root }];
  // Where the link to the debug file leads counts before the folder of the link.
  return folders.toReversed().map((folder) => ({ path: join(folder, name), root }));
}

/**
 * Split DWARF: a .dwp beside the program, a .dwo where the compiler wrote it or beside the
 * program. Neither has a build id: that the ids of its units are those of the program is for
 * the reader of DWARF to see.
 */
export class SplitFiles implements DebugFileSource {
  readonly name = "split_dwarf";
  readonly #debugDirs: readonly string[];

  constructor(debugDirs: readonly string[]) {
    this.#debugDirs = debugDirs;
  }

  async find(wanted: WantedDebugFile): Promise<FoundDebugFile | MissingDebugFile> {
    const kind = kindOf(wanted);
    if (kind !== "package" && kind !== "split") return missingFile([]);
    const origin = await linkOrigin(wanted);
    if (origin === undefined) return missingFile([]);
    const candidates =
      kind === "package" ? this.#packages(origin) : splitCandidates(origin, wanted.split);
    return await firstFitting(this.name, candidates, { buildId: "", notInode: origin.inode });
  }

  #packages(origin: LinkOrigin): Candidate[] {
    const names = [...new Set(origin.paths.map((path) => `${basename(path)}.dwp`))];
    return names.flatMap((name) => besideAndBelow(origin, name, this.#debugDirs));
  }
}

function splitCandidates(origin: LinkOrigin, split: WantedDebugFile["split"]): Candidate[] {
  if (split === undefined || split.name === "") return [];
  const { name, compDir } = split;
  const { root, folders } = origin;
  const paths = [
    ...(isAbsolute(name) ? [name] : []),
    ...(!isAbsolute(name) && isAbsolute(compDir) ? [join(compDir, name)] : []),
    ...folders.flatMap((folder) => [
      ...(isAbsolute(name) ? [] : [join(folder, name)]),
      join(folder, basename(name)),
    ]),
  ];
  return paths.map((path) => ({ path, root }));
}

/** gdb's order: the program's folder, its `.debug`, and the same folder below each debug directory. */
function besideAndBelow(
  { folders, root }: LinkOrigin,
  name: string,
  debugDirs: readonly string[],
): Candidate[] {
  const beside = folders.flatMap((folder) => [join(folder, name), join(folder, ".debug", name)]);
  const below = debugDirs.flatMap((debugDir) =>
    folders.map((folder) => join(debugDir, folder, name)),
  );
  return [
    ...[...beside, ...below].map((path) => ({ path, root })),
    ...(root === undefined ? [] : below.map((path) => ({ path }))),
  ];
}

function isName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name);
}
