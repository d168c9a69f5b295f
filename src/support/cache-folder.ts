import { isAbsolute, join, resolve } from "node:path";
import { PROGRAM_NAME } from "./program.ts";

/**
 * Where this program keeps what it can make again; undefined when the user has no such place.
 * In this order: OBSFORGE_CACHE_DIR, systemd's CacheDirectory=, for root /var/cache, the XDG base
 * directories.
 *
 * Root does not go by XDG_CACHE_HOME or HOME: sudo may leave those of the user who called it,
 * who would then find files of root among the own.
 *
 * @param uid  the effective user id
 */
export function defaultCacheFolder(
  env: Readonly<Record<string, string | undefined>>,
  uid: number,
): string | undefined {
  const chosen = env["OBSFORGE_CACHE_DIR"];
  if (chosen !== undefined && chosen !== "") return resolve(chosen);
  // A list with colons when the unit names several.
  const ofService = absolute(env["CACHE_DIRECTORY"]?.split(":")[0]);
  if (ofService !== undefined) return ofService;
  if (uid === 0) return join("/var/cache", PROGRAM_NAME);
  const home = absolute(env["HOME"]);
  const ofUser = absolute(env["XDG_CACHE_HOME"]) ?? (home && join(home, ".cache"));
  return ofUser && join(ofUser, PROGRAM_NAME);
}

/** The XDG specification has relative paths ignored. */
function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined;
}
