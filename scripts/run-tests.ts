/**
 * Runs every test file with node:test and closes with one summary for all of them.
 *
 *     node scripts/run-tests.ts [PATH…]     only the files whose path contains one of these
 *
 * Files that load BPF programs, take samples or measure time run one at a time, since they would
 * see one another; the rest run two at a time. What needs the OpenTelemetry Collector runs when it
 * is built or when it is asked for. With CI=true a test skipped for anything but what
 * test/optional.json names makes the run fail.
 */
import { globSync } from "node:fs";
import { Readable } from "node:stream";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { FUZZ_SECONDS } from "../test/fuzz/fuzzing.ts";
import { isCollectorBuilt } from "../test/support/otelcol.ts";
import { optionalRequirements, skipReason } from "../test/support/requirements.ts";

const patterns = ["src/**/*.test.ts", "src/**/*.fuzz.ts", "test/**/*.test.ts", "test/**/*.fuzz.ts"];
const aloneFolders = [
  "src/linux/",
  "src/receivers/",
  "test/bpf/",
  "test/e2e/",
  "test/interop/",
  "test/load/",
];

/** Fuzz targets of one file; each takes as long as it is told. */
const FUZZ_TARGETS_MAX = 8;
/** A file that takes longer hangs: the longest take a few minutes. Its process is ended then. */
const FILE_TIMEOUT_MS = 15 * 60_000 + FUZZ_TARGETS_MAX * FUZZ_SECONDS * 1000;
const CONCURRENT_FILES = 2;

type TestEvent = { readonly type: string; readonly data: Record<string, unknown> };

const names = ["tests", "suites", "pass", "fail", "cancelled", "skipped", "todo"];
const summaryLine = new RegExp(`^(${names.join("|")}|duration_ms) ([\\d.]+)$`);

class Summary {
  readonly #totals = new Map<string, number>(names.map((name) => [name, 0]));
  readonly forbiddenSkips: string[] = [];

  /** True when the event was a line of one run's own summary, which is added to the whole. */
  takes(event: TestEvent): boolean {
    if (event.type !== "test:diagnostic" || event.data["nesting"] !== 0) return false;
    const [, name, count] = summaryLine.exec(String(event.data["message"])) ?? [];
    if (name === undefined) return false;
    this.#totals.set(name, (this.#totals.get(name) ?? 0) + Number(count));
    return true;
  }

  noteSkip(event: TestEvent, allowedReasons: readonly string[]): void {
    const reason = event.data["skip"];
    if (event.type !== "test:pass" || reason === undefined || reason === false) return;
    if (allowedReasons.includes(String(reason))) return;
    this.forbiddenSkips.push(`${String(event.data["name"])} (${String(reason)})`);
  }

  total(name: string): number {
    return this.#totals.get(name) ?? 0;
  }

  text(): string {
    const counts = names.map((name) => `# ${name} ${this.total(name)}\n`);
    return `${counts.join("")}# duration_ms ${Math.round(performance.now())}\n`;
  }
}

const wanted = process.argv.slice(2);
const files = globSync(patterns)
  .sort()
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .filter((file) => wanted.length > 0 || isCollectorBuilt() || !file.startsWith("test/interop/"));
const runsAlone = (file: string): boolean => aloneFolders.some((folder) => file.startsWith(folder));
const summary = new Summary();

async function* events(): AsyncGenerator<TestEvent> {
  const allowedReasons = optionalRequirements().map((name) => skipReason(name));
  for (const [group, concurrency] of [
    [files.filter((file) => !runsAlone(file)), CONCURRENT_FILES],
    [files.filter(runsAlone), 1],
  ] as const) {
    for await (const event of eventsOf(group, concurrency)) {
      summary.noteSkip(event, allowedReasons);
      if (!summary.takes(event)) yield event;
    }
  }
}

/** Runs some files at a time; the events of a file follow one another when it has ended. */
async function* eventsOf(group: readonly string[], concurrency: number): AsyncGenerator<TestEvent> {
  const running = new Map<string, Promise<readonly [string, TestEvent[]]>>();
  const waiting = [...group];
  for (;;) {
    for (const file of waiting.splice(0, concurrency - running.size)) {
      running.set(file, runFile(file));
    }
    if (running.size === 0) return;
    const [file, happened] = await Promise.race(running.values());
    running.delete(file);
    yield* happened;
  }
}

/**
 * Runs one file in a process of its own. The runner's own `timeout` is each test's: it does not end
 * a process whose tests are over and that something open keeps alive.
 */
async function runFile(file: string): Promise<readonly [string, TestEvent[]]> {
  const happened: TestEvent[] = [];
  for await (const event of run({
    files: [file],
    timeout: FILE_TIMEOUT_MS,
    signal: AbortSignal.timeout(FILE_TIMEOUT_MS),
    execArgv: ["--disable-warning=ExperimentalWarning"],
  }) as AsyncIterable<TestEvent>) {
    happened.push(event);
  }
  return [file, happened];
}

for await (const text of Readable.from(events()).compose(new spec()) as AsyncIterable<string>) {
  process.stdout.write(text);
}
const skipsFail = process.env["CI"] === "true" && summary.forbiddenSkips.length > 0;
if (skipsFail) {
  const list = summary.forbiddenSkips.join("\n  ");
  process.stdout.write(`\nSkipped, which CI=true allows for test/optional.json only:\n  ${list}\n`);
}
process.stdout.write(`\n${summary.text()}`);
const failed = summary.total("fail") + summary.total("cancelled") > 0;
// A file whose process does not end when it is told to would keep this one.
process.exit(failed || skipsFail || summary.total("tests") === 0 ? 1 : 0);
