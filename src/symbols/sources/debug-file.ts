import type { FileDescriptor, Missing } from "../executable-file.ts";

/**
 * What a file is wanted for:
 * - `debuginfo`: what `.gnu_debuglink` or the build id leads to;
 * - `executable`: the program or library itself, for a host that does not have it;
 * - `supplementary`: what dwz moved out of several debug files, named by `.gnu_debugaltlink`;
 * - `package`: the .dwp of a program;
 * - `split`: one .dwo.
 */
export type DebugFileKind = "debuginfo" | "executable" | "supplementary" | "package" | "split";

/** Contents of `.gnu_debuglink`. */
export interface DebugLink {
  /** A name without folders. */
  readonly name: string;
  /** CRC-32 of the whole file that is meant. */
  readonly crc: number;
}

/** Contents of `.gnu_debugaltlink`. */
export interface AltLink {
  /** A path, relative to the folder of the file that has the link. */
  readonly name: string;
  /** Lower-case hex. */
  readonly buildId: string;
}

/** The names by which DWARF speaks of a .dwo. */
export interface SplitName {
  /** DW_AT_dwo_name. */
  readonly name: string;
  /** DW_AT_comp_dir; "" when there is none. */
  readonly compDir: string;
}

/**
 * A file that is looked for. All of it may come from a hostile file: it is believed only as far
 * as the file that is found proves it.
 */
export interface WantedDebugFile {
  /** `supplementary` where there is an `altLink`, `split` for a `split`, else `debuginfo`. */
  readonly kind?: DebugFileKind | undefined;
  /** Lower-case hex; "" when none is known. */
  readonly buildId: string;
  /** Of the file that has the links, as `root` has it; absent when it is on no disk here. */
  readonly path?: string | undefined;
  /** The folder that is `/` for `path`: `/proc/PID/root` of a live process; absent for the host. */
  readonly root?: string | undefined;
  readonly debugLink?: DebugLink | undefined;
  readonly altLink?: AltLink | undefined;
  readonly split?: SplitName | undefined;
}

/** An open file that was found. Whoever gets it disposes of it. */
export interface FoundDebugFile extends FileDescriptor {
  /** Where it was found, links resolved, as `root` has it: the `path` of what it links to. */
  readonly path: string;
  /** As in `WantedDebugFile`. */
  readonly root?: string | undefined;
  /** The name of the source that had it, as `debug_dirs`. */
  readonly source: string;
  /** Bytes when it was opened. */
  readonly size: number;
  /** Device, inode, size and time of change: equal ones are the same contents. */
  readonly identity: string;
}

/** A place that was looked at in vain. */
export interface LookedAt {
  /** A path or URL; no more than its part that is not secret. */
  readonly place: string;
  readonly why: string;
}

export interface MissingDebugFile extends Missing {
  /** In the order of looking. */
  readonly lookedAt: readonly LookedAt[];
  /** It may be there at the next look: a server failed, or sends it just now. */
  readonly isPassing: boolean;
}

/** One kind of place that may have debug files. */
export interface DebugFileSource {
  /** The option that configures it, for messages and counters. */
  readonly name: string;
  /**
   * Looks for the file and checks that it is the one that is wanted. Rejects never: what fails
   * is a reason.
   *
   * @param signal  ends the look; what was being fetched is then given up
   */
  find(wanted: WantedDebugFile, signal?: AbortSignal): Promise<FoundDebugFile | MissingDebugFile>;
}

export function kindOf({ kind, altLink, split }: WantedDebugFile): DebugFileKind {
  if (kind !== undefined) return kind;
  if (split !== undefined) return "split";
  return altLink === undefined ? "debuginfo" : "supplementary";
}

/** The build id that the file must have; "" when the file is known by other signs. */
export function buildIdOf(wanted: WantedDebugFile): string {
  const kind = kindOf(wanted);
  if (kind === "package" || kind === "split") return "";
  return kind === "supplementary" ? (wanted.altLink?.buildId ?? wanted.buildId) : wanted.buildId;
}
