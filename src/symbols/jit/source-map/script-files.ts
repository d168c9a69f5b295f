import { fstatSync, readSync } from "node:fs";
import { openFileInRoot, type TargetFile } from "../../../linux/target-file.ts";
import type { Missing } from "../../executable-file.ts";
import { type OpenScript, SCRIPT_BYTES_MAX } from "./script-maps.ts";
import { sourceMapBeside, sourceMapPlace } from "./source-map-url.ts";

/** The comment of a map that is a file stands at the end. */
const TAIL_BYTES = 64 * 1024;
const READABLE_BY_ALL = 0o004;
const ROOT_UID = 0;

/** Where scripts are, and who may read them. */
export interface ScriptRoot {
  /** `/proc/PID/root` of the process that runs them; "/" for this host. */
  readonly root: string;
  /** The user that runs them: what that user may not read is not read for its profile. */
  readonly uid: number;
}

/** A script that is open. Whoever opens it disposes of it. */
export interface OpenedScript extends OpenScript, Disposable {}

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
  const identities = [script, found].map((file) => file && identityOf(file));
  return {
    key: `${path} (${identities.join(", ")})`,
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

function openReadable({ root, uid }: ScriptRoot, path: string): TargetFile | Missing {
  const file = openFileInRoot(root, path);
  if ("missing" in file) return { missing: `${path} cannot be opened: ${file.missing}` };
  const { mode, uid: owner, size } = fstatSync(file.fd);
  const isReadable = uid === ROOT_UID || owner === uid || (mode & READABLE_BY_ALL) !== 0;
  if (isReadable && size <= SCRIPT_BYTES_MAX) return file;
  file[Symbol.dispose]();
  return { missing: isReadable ? `${path} is too large` : `its user may not read ${path}` };
}

/** Another file in its place, or another text in it, has another one. */
function identityOf({ fd }: TargetFile): string {
  const { dev, ino, size, mtimeMs } = fstatSync(fd);
  return `${dev}:${ino} ${size} ${mtimeMs}`;
}
