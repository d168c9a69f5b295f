import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type RunningCommand, startCommand } from "../../../../test/support/run-command.ts";

/** Longer than any test with it takes. */
const SERVER_MS_MAX = 120_000;

/** The real server over a folder of files. Its data base and its log go with it. */
export interface DebuginfodServer extends AsyncDisposable {
  readonly url: string;
  readonly command: RunningCommand;
}

/** @param scratch  an empty folder for what it needs */
export async function startDebuginfod(folder: string, scratch: string): Promise<DebuginfodServer> {
  const shim = join(scratch, "loopback_bind.so");
  const source = fileURLToPath(new URL("loopback_bind.c", import.meta.url));
  execFileSync("gcc", ["-shared", "-fPIC", "-O1", "-o", shim, source]);
  const port = await freePort();
  const args = ["-F", "-p", String(port), "-d", join(scratch, "index.sqlite"), folder];
  const { DEBUGINFOD_URLS: _, ...env } = process.env;
  const command = await startCommand("debuginfod", args, {
    env: { ...env, LD_PRELOAD: shim },
    timeoutMs: SERVER_MS_MAX,
  });
  return {
    url: `http://127.0.0.1:${port}`,
    command,
    [Symbol.asyncDispose]: () => command[Symbol.asyncDispose](),
  };
}

/** The server cannot say which one it got. Between here and there another may take it. */
async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  await once(server.close(), "close");
  return port;
}
