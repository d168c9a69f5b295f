/**
 * Builds the OpenTelemetry Collector of this folder, once for each state of its sources, into
 * build/otelcol. Modules come from the first proxy that Go is told of, and from nowhere else;
 * go.sum says what each must be.
 *
 * Without Go it says so and builds nothing; with CI=true that is a failure.
 */
import { type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { packageRoot } from "../../../src/support/package-root.ts";
import { collectorFolder, collectorPath, isCollectorBuilt } from "../../support/otelcol.ts";

/** What go.mod asks for. */
const GO_MINOR_MIN = 26;
const PROGRESS_EVERY_MS = 15_000;
/** The last lines of a failed build name the reason. */
const ERROR_LINES_MAX = 20;

function say(text: string): void {
  process.stdout.write(`otelcol: ${text}\n`);
}

/** "" when there is no Go. */
function goEnv(name: string): string {
  const env = { ...process.env, GOTOOLCHAIN: "local" };
  return spawnSync("go", ["env", name], { encoding: "utf8", env }).stdout?.trim() ?? "";
}

function isGoRecent(): boolean {
  const minor = /^go1\.(\d+)/.exec(goEnv("GOVERSION"))?.[1];
  return Number(minor ?? 0) >= GO_MINOR_MIN;
}

function buildOptions(): SpawnOptions {
  const proxy = goEnv("GOPROXY").split(/[,|]/)[0] ?? "";
  return {
    cwd: collectorFolder,
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      ...process.env,
      CGO_ENABLED: "0",
      GOCACHE: goEnv("GOCACHE") || join(packageRoot(), "build/go-cache"),
      GOFLAGS: "",
      GOPROXY: proxy === "off" ? proxy : `${proxy},off`,
      GOTOOLCHAIN: "local",
      GOWORK: "off",
    },
  };
}

/** @throws what the compiler said last */
async function build(path: string): Promise<void> {
  const partial = `${path}.${process.pid}`;
  mkdirSync(dirname(path), { recursive: true });
  const flags = ["-v", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"];
  const go = spawn("go", ["build", ...flags, "-o", partial, "."], buildOptions());
  const startMs = performance.now();
  const seconds = (): string => ((performance.now() - startMs) / 1000).toFixed(0);
  let said = "";
  go.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const progress = setInterval(() => {
    say(`${said.split("\n").length} packages read or compiled in ${seconds()} s`);
  }, PROGRESS_EVERY_MS);
  const [code] = await once(go, "close");
  clearInterval(progress);
  if (code !== 0) {
    rmSync(partial, { force: true });
    throw new Error(said.trimEnd().split("\n").slice(-ERROR_LINES_MAX).join("\n"));
  }
  renameSync(partial, path);
  say(`built in ${seconds()} s: ${path}`);
}

if (isCollectorBuilt()) {
  say(`is built: ${collectorPath()}`);
} else if (isGoRecent()) {
  say("building the OpenTelemetry Collector, once; from nothing it takes 2 to 4 minutes.");
  await build(collectorPath());
} else {
  say(
    `Go 1.${GO_MINOR_MIN} or newer builds the OpenTelemetry Collector, and there is none; ` +
      "the tests against it are skipped.",
  );
  if (process.env["CI"] === "true") process.exitCode = 1;
}
