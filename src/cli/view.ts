import { spawn } from "node:child_process";
import { flameProfileOf } from "../profiles/flamegraph/from-batch.ts";
import { CollectorError } from "../support/errors.ts";
import { EXIT_SIGNAL_BASE } from "./exit-codes.ts";
import { pageBytes, pageFile } from "./flame-page.ts";
import { titleOf } from "./flamegraph.ts";
import { aborted, Interruption } from "./interruption.ts";
import { readProfile } from "./profile-file.ts";
import { type ServedFile, type ServedProfile, ViewServer } from "./view-server.ts";

/** The flags of `view` as commander hands them over. */
export interface ViewFlags {
  readonly port: number;
  readonly open: boolean;
  readonly diff?: boolean;
  readonly from?: string;
}

/** Profiles that one page is given. */
const FILES_MAX = 100;

/** Serves the page with these profiles until Ctrl-C. Returns the exit code. */
export async function runView(paths: readonly string[], flags: ViewFlags): Promise<number> {
  if (flags.diff && paths.length !== 2) {
    throw new CollectorError("CONFIG_INVALID", "--diff takes two files: what was, and what is");
  }
  if (paths.length > FILES_MAX) {
    throw new CollectorError("CONFIG_INVALID", `at most ${FILES_MAX} files can be viewed at once`);
  }
  const page = await pageFiles();
  const profiles: ServedProfile[] = [];
  for (const path of paths) profiles.push(await servedProfile(path, flags.from));

  using interruption = new Interruption();
  await using server = await ViewServer.start(page, profiles, flags.port);
  const url = `${server.url}${hashOf(profiles.length, flags.diff ?? false)}`;
  process.stdout.write(`${url}\n`);
  process.stderr.write("The page is served to this machine alone. Ctrl-C ends it.\n");
  if (flags.open) openBrowser(url);
  await aborted(interruption.signal);
  return interruption.signalNumber === 2 ? 0 : EXIT_SIGNAL_BASE + interruption.signalNumber;
}

async function servedProfile(path: string, from: string | undefined): Promise<ServedProfile> {
  const name = titleOf(path);
  const profile = flameProfileOf(await readProfile(path, from), name);
  return { name, bytes: await pageBytes(profile) };
}

/** Two files are a difference for the page unless it is told which one to show. */
function hashOf(count: number, isDifference: boolean): string {
  return count === 2 && !isDifference ? "#file=0" : "";
}

async function pageFiles(): Promise<Map<string, ServedFile>> {
  const types: readonly [string, string, string][] = [
    ["", "index.html", "text/html; charset=utf-8"],
    ["page.js", "page.js", "text/javascript; charset=utf-8"],
    ["decoders.js", "decoders.js", "text/javascript; charset=utf-8"],
    ["page.css", "page.css", "text/css; charset=utf-8"],
  ];
  const files = types.map(async ([path, name, type]): Promise<[string, ServedFile]> => {
    return [path, { type, bytes: new TextEncoder().encode(await pageFile(name)) }];
  });
  return new Map(await Promise.all(files));
}

/** Opens the user's browser where there is a screen; the printed URL does where there is none. */
function openBrowser(url: string): void {
  if (!process.env["DISPLAY"] && !process.env["WAYLAND_DISPLAY"]) return;
  const opener = spawn("xdg-open", [url], { stdio: "ignore", detached: true });
  opener.on("error", () => {
    process.stderr.write("obsforge: xdg-open is not there: open the URL above yourself\n");
  });
  opener.unref();
}
