import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CollectorError } from "../../support/errors.ts";
import type { DebugFilesConfig } from "./config.ts";
import type { DebugFileSource } from "./debug-file.ts";
import { FolderStore } from "./folder-store.ts";
import { checkedLayout, type Layout, type LayoutName, layouts } from "./layouts.ts";
import type { RemoteStore } from "./remote-server.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** The configuration as code gives it: what is left out has the default of config.ts. */
export type DebugFilesOptions = {
  readonly [Key in Exclude<keyof DebugFilesConfig, "symbol_stores">]?:
    | DebugFilesConfig[Key]
    | undefined;
} & { readonly symbol_stores?: readonly SymbolStore[] | undefined };

export interface SymbolStore {
  /** A folder or a URL. */
  readonly location: string;
  readonly layout?: LayoutName | undefined;
  readonly debuginfo?: string | undefined;
  readonly executable?: string | undefined;
}

/** Ten minutes of every failed lookup are as elfutils' client has them. */
const defaults = {
  debug_dirs: ["/usr/lib/debug"],
  symbol_stores: [],
  debuginfod_urls: [],
  debuginfod_timeout: 90_000,
  debuginfod_maxtime: 600_000,
  debuginfod_maxsize: 1024 ** 3,
  debuginfod_retry_limit: 2,
  cache_size_max: 4 * 1024 ** 3,
  cache_unused_max: 7 * 86_400_000,
  missing_for: 600_000,
} as const satisfies DebugFilesOptions;

type Filled = Required<{ [Key in keyof typeof defaults]: NonNullable<DebugFilesOptions[Key]> }> &
  Pick<DebugFilesOptions, "debuginfod_headers_file" | "debuginfod_cache_path" | "cache_dir">;

/** The options with every default in its place. */
export function withDefaults(options: DebugFilesOptions): Filled {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(given) };
}

/**
 * What the environment says by the variables of elfutils' debuginfod client. A number that is
 * none, or that is not positive where that has no meaning, is as if it were not set.
 *
 * @param home  where the cache of that client is when no variable says so; "" for nowhere
 */
export function debuginfodOptionsOfEnv(env: Env, home: string = homedir()): DebugFilesOptions {
  const number = (name: string): number | undefined => {
    const text = env[name]?.trim() ?? "";
    return /^\d{1,12}$/.test(text) ? Number(text) : undefined;
  };
  const seconds = (name: string): number | undefined => {
    const value = number(name);
    return value === undefined ? undefined : value * 1000;
  };
  // Zero is no limit there; what is larger than a file can be is none here.
  const maxSize = number("DEBUGINFOD_MAXSIZE");
  return {
    debuginfod_urls: urlsOfEnv(env["DEBUGINFOD_URLS"] ?? ""),
    debuginfod_timeout: seconds("DEBUGINFOD_TIMEOUT"),
    debuginfod_maxtime: seconds("DEBUGINFOD_MAXTIME"),
    debuginfod_maxsize: maxSize === 0 ? Number.MAX_SAFE_INTEGER : maxSize,
    debuginfod_retry_limit: number("DEBUGINFOD_RETRY_LIMIT"),
    debuginfod_headers_file: env["DEBUGINFOD_HEADERS_FILE"] || undefined,
    debuginfod_cache_path: clientCacheOfEnv(env, home),
  };
}

/**
 * Newer clients take words between the URLs that say how signatures are checked. None is
 * checked here, so servers for which that is demanded are left out.
 */
function urlsOfEnv(text: string): string[] {
  const urls: string[] = [];
  let needsSignature = false;
  for (const word of text.split(/\s+/)) {
    if (word.startsWith("ima:")) needsSignature = word === "ima:enforcing";
    else if (!needsSignature && isUrl(word)) urls.push(word);
  }
  return urls;
}

function isUrl(word: string): boolean {
  return /^(?:https?|file):\/\//.test(word) && URL.canParse(word);
}

/**
 * The servers that the distribution names in `/etc/debuginfod/*.urls`, for one who asked for
 * debuginfod and named none. A file that cannot be read names none.
 */
export async function systemDebuginfodUrls(folder = "/etc/debuginfod"): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  const urls: string[] = [];
  for (const name of names.filter((each) => each.endsWith(".urls")).sort()) {
    const text = await readFile(join(folder, name), "latin1").catch(() => "");
    urls.push(...urlsOfEnv(text));
  }
  return [...new Set(urls)];
}

/** An older name of the folder counts where there is one. For start-up: asks the disk. */
function clientCacheOfEnv(env: Env, home: string): string | undefined {
  const given = env["DEBUGINFOD_CACHE_PATH"];
  if (given !== undefined && given !== "") return given;
  const older = join(home, ".debuginfod_client_cache");
  if (home !== "" && existsSync(older)) return older;
  const cacheHome = env["XDG_CACHE_HOME"] || (home === "" ? "" : join(home, ".cache"));
  return cacheHome === "" ? undefined : join(cacheHome, "debuginfod_client");
}

/** What is asked by path, and what by a request, each in its order. */
export interface Stores {
  readonly folders: readonly DebugFileSource[];
  readonly remote: readonly RemoteStore[];
}

/**
 * The configured stores and servers.
 *
 * @throws CollectorError CONFIG_INVALID  a URL or template that is none
 */
export function storesOf({ symbol_stores, debuginfod_urls }: Filled): Stores {
  const folders: DebugFileSource[] = [];
  const remote: RemoteStore[] = [];
  const add = (name: string, location: string, layout: Layout): void => {
    if (/^https?:\/\//.test(location)) remote.push({ url: checkedUrl(name, location), layout });
    else folders.push(new FolderStore(name, folderOf(location), layout));
  };
  for (const { location, layout = "build_id", debuginfo, executable } of symbol_stores) {
    const own = debuginfo !== undefined || executable !== undefined;
    const used = own ? checkedLayout({ debuginfo, executable }) : layouts[layout];
    add("symbol_stores", location, used);
  }
  for (const url of debuginfod_urls) {
    if (!isUrl(url)) {
      // Not repeated: a URL may hold a password.
      const message =
        "debuginfod_urls: one is no URL that begins with http://, https:// or file://";
      throw new CollectorError("CONFIG_INVALID", message);
    }
    add("debuginfod_urls", url, layouts.debuginfod);
  }
  return { folders, remote };
}

function checkedUrl(name: string, text: string): URL {
  const url = URL.parse(text);
  if (url !== null) return url;
  throw new CollectorError("CONFIG_INVALID", `${name}: one begins as a URL, and is none`);
}

function folderOf(location: string): string {
  if (!location.startsWith("file:")) return location;
  try {
    return fileURLToPath(location);
  } catch (cause) {
    const message = `${location} is not the URL of a folder of this host`;
    throw new CollectorError("CONFIG_INVALID", message, { cause });
  }
}

/** Some tokens; who has more of them has the wrong file. */
const HEADERS_BYTES_MAX = 64 * 1024;

/** The lines `Name: value` of a file; others are none, as in elfutils' client. */
export async function readHeadersFile(path: string): Promise<Record<string, string>> {
  const text = await readFile(path, "latin1");
  if (text.length > HEADERS_BYTES_MAX) {
    const message = `${path} has ${text.length} bytes, over the limit of ${HEADERS_BYTES_MAX}`;
    throw new CollectorError("LIMIT_EXCEEDED", message);
  }
  const headers: Record<string, string> = {};
  for (const line of text.split(/\r?\n/)) {
    const [, name, value] =
      /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/.exec(line) ?? [];
    if (name !== undefined) headers[name.toLowerCase()] = (value ?? "").trim();
  }
  return headers;
}
