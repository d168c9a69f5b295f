/**
 * Code that runtimes make, named with its file and line by what each of them writes: of processes
 * that run, and in recordings. .NET is tried by its names alone, in runtime-names.test.ts.
 */
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { decodeOtlp } from "../../src/profiles/otlp/decode.ts";
import type { ProfileBatch } from "../../src/profiles/profile.ts";
import { FILE_LIMITS } from "../../src/support/limits.ts";
import { packageRoot } from "../../src/support/package-root.ts";
import { buildJavaClass } from "../support/build-program.ts";
import { functionTotals } from "../support/function-totals.ts";
import { requirement } from "../support/requirements.ts";
import {
  type RunningCommand,
  runCommand,
  runObsforge,
  startCommand,
} from "../support/run-command.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { pyenvPythons } from "../support/unwinding-runtimes.ts";

const folder = temporaryFolder();
after(() => folder[Symbol.dispose]());

const WAIT_TRIES = 200;
const WAIT_MS = 50;
const SECONDS = "30";
const tiersScript = join(packageRoot(), "test/programs/tiers_node.mjs");
const pythonScript = join(packageRoot(), "test/programs/busy_python.py");

interface Frame {
  readonly function: string;
  readonly systemName: string;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
}

describe("symbolize --pid of node", () => {
  it("names functions of every tier, WebAssembly and regular expressions", async () => {
    const args = ["--perf-basic-prof", tiersScript, SECONDS];
    await using node = await startCommand(process.execPath, args, { cwd: folder.path });
    await waitFor(() => node.stdout().includes("ready"));
    const lines = [...perfMapLines(node.pid)];
    const place = { file: tiersScript, line: 34, column: 15 };
    const cases: readonly (readonly [RegExp, Partial<Frame>])[] = [
      [/^JS:\^loops /, { function: "loops", ...place }],
      [/^JS:\+'?loops /, { function: "loops", ...place }],
      [/^JS:\*'?loops /, { function: "loops", ...place }],
      [/^JS:o[+*]'?loops /, { function: "loops", ...place }],
      [/^JS:\^area /, { function: "area", file: tiersScript, line: 29, column: 7 }],
      [/^JS:wasm-function.*-liftoff$/, { function: "wasm-function[0]" }],
      [/^JS:wasm-function.*-turbofan$/, { function: "wasm-function[0]" }],
      [/^RegExp/, { function: "RegExp:/(a+b)+c|[x-z]{3}\\s:/g" }],
    ];
    const addresses = cases.map(([wanted]) => startOf(lines, wanted));
    const frames = await framesOf(node.pid, addresses);
    for (const [index, [wanted, expected]] of cases.entries()) {
      const { systemName = "", ...frame } = frames[index] ?? {};
      assert.match(systemName, wanted);
      assert.deepEqual(frame, expected);
    }
    rmSync(`/tmp/perf-${node.pid}.map`);
  });
});

describe("records of node", { skip: requirement("root", "bpf") }, () => {
  it("keep the tier of a function as an attribute of its locations", async () => {
    const path = join(folder.path, "node.otlp.pb");
    const command = [process.execPath, "--perf-basic-prof", tiersScript, "2"];
    const args = ["record", "-F", "997", "-o", path, "--", ...command];
    const { code, stderr } = await runObsforge(args, { cwd: folder.path });
    assert.equal(code, 0, stderr);
    const batch = decodeOtlp(readFileSync(path), FILE_LIMITS);
    assert.match(tiersOf(batch, "loops").join(" "), /^(?:o?[*^+~]'? ?)+$/);
  });
});

const pythons = requirement("pyenv") === false ? pyenvPythons().filter(hasPerfMaps) : [];

describe("CPython from 3.12 on, where pyenv has installed one", () => {
  it("is installed", { skip: pythons.length > 0 ? false : "needs pyenv" }, () => {
    assert.ok(pythons.length > 0);
  });

  for (const python of pythons) {
    it(`symbolize --pid names functions and files of ${versionOf(python)} -X perf`, async () => {
      const args = ["-X", "perf", pythonScript, "python", SECONDS];
      await using running = await startCommand(python, args, { cwd: folder.path });
      await waitFor(() => [...perfMapLines(running.pid)].some(({ name }) => /leaf/.test(name)));
      const lines = [...perfMapLines(running.pid)];
      const names = ["leaf", "middle", "outer", "<module>"];
      const addresses = names.map((name) => startOf(lines, `py::${name}:${pythonScript}`));
      const frames = await framesOf(running.pid, addresses);
      const expected = names.map((name) => ({
        ...{ function: name, systemName: `py::${name}:${pythonScript}`, file: pythonScript },
      }));
      assert.deepEqual(frames, expected);
      rmSync(`/tmp/perf-${running.pid}.map`);
    });
  }

  for (const python of pythons.filter((one) => minorOf(one) >= 13)) {
    it(`symbolize --jitdump names functions of ${versionOf(python)} -X perf_jit`, async () => {
      const args = ["-X", "perf_jit", pythonScript, "python", "0.2"];
      await using running = await startCommand(python, args, { cwd: folder.path });
      assert.equal((await running.ended).code, 0);
      const dump = `/tmp/jit-${running.pid}.dump`;
      const systemName = `py::leaf:${pythonScript}`;
      const address = dumpedCode(readFileSync(dump), systemName);
      const found = await runObsforge(["symbolize", "--json", "--jitdump", dump, "-a", address]);
      const frame = { function: "leaf", systemName, file: pythonScript };
      assert.deepEqual(JSON.parse(found.stdout), { address: `0x${address}`, frames: [frame] });
      rmSync(dump);
    });
  }

  const skip = requirement("root", "bpf");
  for (const python of pythons.filter((one) => minorOf(one) >= 13)) {
    it(`record names functions by the dump of ${versionOf(python)} -X perf_jit`, {
      skip,
    }, async () => {
      const path = join(folder.path, "dumped.otlp.pb");
      const command = [python, "-X", "perf_jit", pythonScript, "python", "2"];
      const args = ["record", "-F", "997", "-o", path, "--", ...command];
      const { code, stderr } = await runObsforge(args, { cwd: folder.path });
      assert.equal(code, 0, stderr);
      const totals = functionTotals(decodeOtlp(readFileSync(path), FILE_LIMITS));
      const names = [...totals.cumulative.keys()];
      assert.ok(names.includes("leaf"), names.join(" "));
    });
  }

  for (const python of pythons.slice(-1)) {
    it(`record names functions and files of ${versionOf(python)} -X perf`, { skip }, async () => {
      const path = join(folder.path, "python.otlp.pb");
      const command = [python, "-X", "perf", pythonScript, "python", "2"];
      const args = ["record", "-F", "997", "-o", path, "--", ...command];
      const { code, stderr } = await runObsforge(args, { cwd: folder.path });
      assert.equal(code, 0, stderr);
      const { dictionary } = decodeOtlp(readFileSync(path), FILE_LIMITS);
      const { functions, strings } = dictionary;
      const found = Array.from(
        { length: functions.length },
        (_, row) =>
          `${strings.at(functions.name.at(row))} ${strings.at(functions.filename.at(row))}`,
      );
      for (const name of ["leaf", "middle", "outer"]) {
        assert.ok(found.includes(`${name} ${pythonScript}`), name);
      }
    });
  }
});

describe("a Java virtual machine, where one is installed", { skip: requirement("java") }, () => {
  const javaArgs = ["-cp", buildJavaClassOnce(), "BusyJava", "java"];

  it("symbolize --pid names methods by the map that jcmd has it write", async () => {
    await using java = await startCommand("java", [...javaArgs, SECONDS], { cwd: folder.path });
    await waitFor(async () => {
      const { code } = await runCommand("jcmd", [String(java.pid), "Compiler.perfmap"]);
      return code === 0 && [...perfMapLines(java.pid)].some(({ name }) => TAX.test(name));
    });
    const lines = [...perfMapLines(java.pid)];
    const [compiled] = await framesOf(java.pid, [startOf(lines, TAX)]);
    assert.deepEqual(compiled, {
      function: "long BusyJava.tax(long)",
      systemName: "long BusyJava.tax(long)",
    });
    rmSync(`/tmp/perf-${java.pid}.map`);
  });

  it("symbolize --perf-map names methods by the map that it writes at its end", async () => {
    const flags = ["-XX:+UnlockDiagnosticVMOptions", "-XX:+DumpPerfMapAtExit"];
    await using java = await startCommand("java", [...flags, ...javaArgs, "1"]);
    const { code, stderr } = await java.ended;
    assert.equal(code, 0, stderr);
    const map = `/tmp/perf-${java.pid}.map`;
    const address = startOf([...perfMapLines(java.pid)], TAX);
    const args = ["symbolize", "--json", "--perf-map", map, "-a", address];
    const { stdout } = await runObsforge(args);
    assert.match(stdout, /"function":"long BusyJava\.tax\(long\)"/);
    rmSync(map);
  });
});

const TAX = /^long BusyJava\.tax\(long\)$/;

function buildJavaClassOnce(): string {
  return requirement("java") === false ? buildJavaClass("BusyJava") : "";
}

function versionOf(python: string): string {
  return /versions\/([^/]+)\//.exec(python)?.[1] ?? python;
}

function minorOf(python: string): number {
  return Number(versionOf(python).split(".")[1]);
}

function hasPerfMaps(python: string): boolean {
  return minorOf(python) >= 12;
}

/** Where the code that a dump gives a name begins, hexadecimal; read naively. */
function dumpedCode(dump: Buffer, name: string): string {
  for (let at = dump.readUInt32LE(8); at + 56 <= dump.length; ) {
    const [id, bytes] = [dump.readUInt32LE(at), dump.readUInt32LE(at + 4)];
    const isLoad = id === 0 && dump.subarray(at + 56, at + bytes).includes(`${name}\0`);
    if (isLoad) return dump.readBigUInt64LE(at + 32).toString(16);
    at += Math.max(bytes, 16);
  }
  assert.fail(`${name} is not in the dump`);
}

interface MapLine {
  /** Hexadecimal. */
  readonly start: string;
  readonly name: string;
}

/** None while there is no map. */
function* perfMapLines(pid: number): Generator<MapLine> {
  let text = "";
  try {
    text = readFileSync(`/tmp/perf-${pid}.map`, "utf8");
  } catch {
    return;
  }
  for (const [, start = "", name = ""] of text.matchAll(/^(?:0x)?([0-9a-f]+) \S+ (.*)$/gm)) {
    yield { start, name };
  }
}

/** Of the last line that is so: what was thrown away stands before it. */
function startOf(lines: readonly MapLine[], wanted: RegExp | string): string {
  const line = lines.findLast(({ name }) =>
    typeof wanted === "string" ? name === wanted : wanted.test(name),
  );
  assert.ok(line, `${wanted} is not in the map`);
  return line.start;
}

/** The innermost frame at each address of a process. */
async function framesOf(
  pid: RunningCommand["pid"],
  addresses: readonly string[],
): Promise<(Frame | undefined)[]> {
  const args = addresses.flatMap((address) => ["-a", address]);
  const result = await runObsforge(["symbolize", "--json", "--pid", String(pid), ...args]);
  assert.equal(result.code, 0, result.stderr);
  const lines = result.stdout.trim().split("\n");
  return lines.map((line) => (JSON.parse(line) as { frames: Frame[] }).frames[0]);
}

async function waitFor(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < WAIT_TRIES; tries++) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
  }
  assert.fail("it did not come to it in time");
}

/** The tiers of all locations whose innermost function has a name. */
function tiersOf({ dictionary }: ProfileBatch, name: string): string[] {
  const { attributes, attributeSets, functions, locations, strings } = dictionary;
  const tiers = new Set<string>();
  for (let row = 1; row < locations.length; row++) {
    const function_ = locations.lineFunction.at(locations.lineStart(row));
    if (strings.at(functions.name.at(function_)) !== name) continue;
    for (const attribute of attributeSets.row(locations.attributeSet.at(row))) {
      if (strings.at(attributes.key.at(attribute)) !== "obsforge.frame.tier") continue;
      const value = attributes.value(attribute);
      if (value.type === "string") tiers.add(value.value);
    }
  }
  return [...tiers];
}
