import { getgroups, setfsgid, setfsuid, setgroups } from "./libc.ts";

/** Whose rights decide which files may be read. */
export interface FileUser {
  readonly uid: number;
  readonly gid: number;
  /** Beside `gid`. */
  readonly groups: readonly number[];
}

const ROOT_UID = 0;
const ROOT_GID = 0;
/** What the kernel takes; a user in so many groups is none. */
const GROUPS_MAX = 65_536;

/**
 * Does something with another user's rights to files, as the kernel sees them: folders on the way,
 * groups and access control lists count. Only this thread has them, and until `work` returns, which
 * therefore is not asynchronous. Sources: setfsuid(2), capabilities(7): a change of the file
 * system's user away from root takes the capabilities for files away, and the change back returns
 * them. The system calls themselves are for one thread; the C library's setgroups is for all.
 *
 * @returns undefined when this program cannot have those rights: it is not root, or may not change
 *     users and groups
 */
export function asFileUser<Result>(
  { uid, gid, groups }: FileUser,
  work: () => Result,
): Result | undefined {
  if (process.geteuid?.() !== ROOT_UID || groups.length > GROUPS_MAX) return undefined;
  if (uid === ROOT_UID) return work();
  const ownGid = process.getegid?.() ?? ROOT_GID;
  const ownGroups = getgroups();
  if (ownGroups === undefined || setgroups(groups) < 0) return undefined;
  try {
    setfsgid(gid);
    setfsuid(uid);
    // They say which user was before, and not whether that has changed.
    return setfsuid(uid) === uid && setfsgid(gid) === gid ? work() : undefined;
  } finally {
    setfsuid(ROOT_UID);
    setfsgid(ownGid);
    setgroups(ownGroups);
  }
}
