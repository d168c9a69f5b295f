import { fstatSync, readSync } from "node:fs";
import { asFileUser, type FileUser } from "../../../linux/as-user.ts";
import {
  openFileInRoot,
  type TargetFile,
  type TargetFileLookup,
} from "../../../linux/target-file.ts";
import type { Missing } from "../../executable-file.ts";
import { type OpenScript, SCRIPT_BYTES_MAX } from "./script-maps.ts";
import { sourceMapBeside, sourceMapPlace } from "./source-map-url.ts";

/** The comment of a map that is a file stands at the end. */
const TAIL_BYTES = 64 * 1024;
const READABLE_BY_OWNER = 0o400;
const READABLE_BY_GROUP = 0o040;
const READABLE_BY_ALL = 0o004;

/** Where scripts are, and who may read them. */
export interface ScriptRoot {
  /** `/proc/PID/root` of the process that runs them; "/" for this host. */
  readonly root: string;
  /** Who runs them: what that user may not read is not read for its profile. Else who asks. */
  readonly user: FileUser | undefined;
}

/** A script that is open. Whoever opens it disposes of it. */
export interface OpenedScript extends OpenScript, Disposable {
  /** Another script in its place, or another text in it, has another one. */
  readonly identity: string;
}

/**
 * Opens a script and its source map. Both paths come from the process, or from a file of it: they
 * are resolved within its root, and only regular files are read.
 */
export function openScript(where: ScriptRoot, path: string): OpenedScript | Missing {
  const script = openReadable(where, path);
  if ("missing" in script) return script;
  const mapPath = mapPathOf(script.fd, path);
  const map = mapPath === undefined ? undefined : openReadable(where, mapPath);
  const found = map !== undefined && "fd" in map ? map : undefined;
  const identity = identityOf(script);
  return {
    identity,
    key: `${path} (${[identity, found && identityOf(found)].join(", ")})`,
    fd: script.fd,
    ...(found !== undefined && { map: { fd: found.fd, path: mapPath ?? "" } }),
    [Symbol.dispose]: () => {
      script[Symbol.dispose]();
      found?.[Symbol.dispose]();
    },
  };
}

/** Undefined when the map is not in a file, as far as the end of the script tells. */
function mapPathOf(fd: number, path: string): string | undefined {
  const { size } = fstatSync(fd);
  const tail = Buffer.alloc(Math.min(size, TAIL_BYTES));
  const count = readSync(fd, tail, 0, tail.length, size - tail.length);
  const place = sourceMapPlace(tail.toString("utf8", 0, count), path);
  if (place === undefined) return sourceMapBeside(path);
  return "path" in place ? place.path : undefined;
}

function openReadable({ root, user }: ScriptRoot, path: string): TargetFile | Missing {
  const open = (): TargetFileLookup => openFileInRoot(root, path);
  const asUser = user && asFileUser(user, open);
  const file = asUser ?? open();
  if ("missing" in file) return { missing: `${path} cannot be opened: ${file.missing}` };
  const isReadable = asUser !== undefined || user === undefined || mayRead(user, file);
  if (isReadable && file.size <= SCRIPT_BYTES_MAX) return file;
  file[Symbol.dispose]();
  return { missing: isReadable ? `${path} is too large` : `its user may not read ${path}` };
}

/** By the file's own mode, for an agent that cannot have the user's rights but may have its own. */
function mayRead({ uid, gid, groups }: FileUser, { fd }: TargetFile): boolean {
  const stats = fstatSync(fd);
  if (stats.uid === uid) return (stats.mode & READABLE_BY_OWNER) !== 0;
  if (stats.gid === gid || groups.includes(stats.gid))
    return (stats.mode & READABLE_BY_GROUP) !== 0;
  return (stats.mode & READABLE_BY_ALL) !== 0;
}

function identityOf({ fd }: TargetFile): string {
  const { dev, ino, size, mtimeMs } = fstatSync(fd);
  return `${dev}:${ino} ${size} ${mtimeMs}`;
}
