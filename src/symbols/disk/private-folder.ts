import { lstatSync, mkdirSync, realpathSync, type Stats, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { messageOf } from "../../support/errors.ts";

const GROUP_AND_OTHERS_WRITE = 0o022;
const STICKY = 0o1000;
const ROOT = 0;

/**
 * A folder in which nobody but this process's user and root can put anything, made with its
 * parents (mode 0700) when it is not there. Its real path, or why it cannot be had.
 */
export function privateFolder(path: string): { path: string } | { readonly missing: string } {
  try {
    const folder = resolve(path);
    makeWithParents(folder);
    return checked(folder);
  } catch (error) {
    return { missing: `the folder ${path} cannot be used: ${messageOf(error)}` };
  }
}

function checked(folder: string): { path: string } | { readonly missing: string } {
  const uid = process.geteuid?.() ?? ROOT;
  // A link in /tmp may be anybody's, and leads where its maker chose.
  if (!isOf(lstatSync(folder), uid)) {
    return { missing: `the folder ${folder} belongs to another user` };
  }
  const path = realpathSync(folder);
  const stats = statSync(path);
  if (!stats.isDirectory()) return { missing: `${path} is no folder` };
  if (stats.uid !== uid) return { missing: `the folder ${path} belongs to another user` };
  if ((stats.mode & GROUP_AND_OTHERS_WRITE) !== 0) {
    return { missing: `others may write into the folder ${path}: take that away (chmod go-w)` };
  }
  const loose = looseParent(path, uid);
  if (loose !== undefined) {
    return { missing: `others may put another folder in the place of ${path}, by ${loose}` };
  }
  return { path };
}

/** The nearest parent in which others may rename what is not theirs. */
function looseParent(path: string, uid: number): string | undefined {
  for (let parent = dirname(path); ; parent = dirname(parent)) {
    const stats = statSync(parent);
    const isWritable = (stats.mode & GROUP_AND_OTHERS_WRITE) !== 0 && (stats.mode & STICKY) === 0;
    if (isWritable || !isOf(stats, uid)) return parent;
    if (parent === dirname(parent)) return undefined;
  }
}

function isOf(stats: Stats, uid: number): boolean {
  return stats.uid === uid || stats.uid === ROOT;
}

/** Not by Node's `recursive`, which never ends in /proc. */
function makeWithParents(folder: string): void {
  try {
    mkdirSync(folder, 0o700);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    if (code !== "ENOENT" || dirname(folder) === folder) throw error;
    makeWithParents(dirname(folder));
    mkdirSync(folder, 0o700);
  }
}
