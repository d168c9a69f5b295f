import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { packageRoot } from "../../src/support/package-root.ts";
import { buildProgram } from "../support/build-program.ts";
import { requirement } from "../support/requirements.ts";
import { runObsforge, startCommand } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const program = buildProgram("three_paths.cpp");
const folder = temporaryFolder();
after(() => folder[Symbol.dispose]());

interface Answer {
  readonly address: string;
  readonly frames: readonly Record<string, string | number>[];
  readonly reason?: string;
}

async function symbolize(...args: string[]): Promise<readonly Answer[]> {
  const { code, stdout, stderr } = await runObsforge(["symbolize", "--json", ...args]);
  assert.equal(code, 0, stderr);
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Answer);
}

/** Where a function begins, by nm. */
function startOf(name: string): string {
  const lines = execFileSync("nm", [program], { encoding: "utf8" });
  const [, start] = new RegExp(`^([0-9a-f]+) [tT] ${name}$`, "m").exec(lines) ?? [];
  assert.ok(start, name);
  return `0x${start}`;
}

describe("obsforge symbolize", { skip: requirement("binutils") }, () => {
  it("prints function, file and line as an addr2line user reads them", async () => {
    const address = startOf("_ZN4shop8checksumEm");
    const { stdout } = await runObsforge(["symbolize", "--binary", program, "--addr", address]);
    assert.match(stdout, /^shop::checksum\(unsigned long\)\n\/.*three_paths\.cpp:\d+:\d+\n\n$/);
  });

  it("gives names as they are stored, and leaves out what is not known", async () => {
    const address = startOf("_ZN4shop8checksumEm");
    const [found, padding] = await symbolize("-b", program, "-a", address, "-a", "1");
    const [frame] = found?.frames ?? [];
    assert.equal(found?.address, `0x${BigInt(address).toString(16)}`);
    assert.equal(frame?.["function"], "shop::checksum(unsigned long)");
    assert.equal(frame?.["systemName"], "_ZN4shop8checksumEm");
    assert.equal(typeof frame?.["line"], "number");
    assert.deepEqual(padding?.frames, []);
    assert.match(padding?.reason ?? "", /no function/);
    const [mangled] = await symbolize("-b", program, "-a", address, "--no-demangle");
    assert.equal(mangled?.frames[0]?.["function"], "_ZN4shop8checksumEm");
  });

  it("shows what was inlined, unless that is not wanted", async () => {
    const inlined = buildProgram("exceptions.cpp", ["-O3"]);
    const range = /^([0-9a-f]+) ([0-9a-f]+) [tT] main$/m.exec(
      execFileSync("nm", ["-S", inlined], { encoding: "utf8" }),
    );
    const [start = 0, size = 0] = (range ?? []).slice(1).map((hex) => Number.parseInt(hex, 16));
    const addresses = Array.from({ length: Math.min(size, 400) }, (_, at) => [
      "-a",
      (start + at).toString(16),
    ]).flat();
    const whole = await symbolize("-b", inlined, ...addresses);
    const plain = await symbolize("-b", inlined, "--no-inlines", ...addresses);
    assert.ok(whole.some(({ frames }) => frames.length > 1));
    assert.ok(plain.every(({ frames }) => frames.length === 1));
    for (const [index, { frames }] of whole.entries()) {
      assert.equal(frames.at(-1)?.["systemName"], plain[index]?.frames[0]?.["systemName"]);
    }
  });

  it("answers standard input line by line, also what is no address", () => {
    const command = join(packageRoot(), "bin/obsforge");
    const { status, stdout } = spawnSync(
      command,
      ["symbolize", "-b", program, "--stdin", "--json"],
      {
        input: `${startOf("main")}\n\nnonsense\n0xffffffffffffffff`,
        encoding: "utf8",
      },
    );
    assert.equal(status, 0);
    const answers = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Answer);
    assert.deepEqual(
      answers.map(({ frames, reason }) => frames[0]?.["function"] ?? reason?.slice(0, 30)),
      ["main", "this is no hexadecimal address", "no function of the file covers"],
    );
  });

  for (const [what, args, code, says] of [
    ["no input", ["--addr", "1"], 2, /give one of --binary/],
    ["two inputs", ["-b", "x", "--pid", "1", "--addr", "1"], 2, /not 2/],
    ["no address", ["-b", "/bin/true"], 2, /no address/],
    ["a wrong address", ["-b", "/bin/true", "--addr", "main"], 2, /hexadecimal, as 0x4012ab/],
    ["a wrong flag", ["--adr", "1"], 2, /did you mean --addr\?/],
    ["a missing file", ["-b", "/no/such", "--addr", "1"], 1, /there is no such file/],
    ["no program", ["-b", "/etc/passwd", "--addr", "1"], 1, /is no ELF file/],
    ["no process", ["--pid", "4194303", "--addr", "1"], 1, /no process 4194303 runs here/],
  ] as const) {
    it(`says in one sentence what is wrong with ${what}`, async () => {
      const result = await runObsforge(["symbolize", ...args]);
      assert.equal(result.code, code);
      assert.equal(result.stdout, "");
      assert.match(result.stderr, says);
    });
  }

  it("names addresses of a running process, its runtime's code too", async () => {
    const script = join(packageRoot(), "test/programs/busy_node.cjs");
    const args = ["--perf-basic-prof", script, "javascript", "20"];
    await using node = await startCommand(process.execPath, args, { cwd: folder.path });
    const map = `/tmp/perf-${node.pid}.map`;
    const line = await lineOf(map, / JS:\S*busyLeaf /);
    const maps = readFileSync(`/proc/${node.pid}/maps`, "utf8");
    const [, libc = ""] = /^([0-9a-f]+)-\S+ r-xp .*libc\.so/m.exec(maps) ?? [];
    const pid = String(node.pid);
    const [jit, inLibrary, nowhere] = await symbolize(
      ...["--pid", pid, "-a", line.split(" ")[0] ?? "", "-a", libc, "-a", "1"],
    );
    assert.equal(jit?.frames[0]?.["function"], "busyLeaf");
    assert.equal(jit?.frames[0]?.["file"], script);
    assert.ok(inLibrary !== undefined);
    assert.match(nowhere?.reason ?? "", /no code is mapped there/);
    const [byFile] = await symbolize("--perf-map", map, "-a", line.split(" ")[0] ?? "");
    assert.deepEqual(byFile, jit);
    rmSync(map);
  });

  it("lets no name command the terminal [S18]", async () => {
    const map = folder.file("ansi.map");
    writeFileSync(map, "10 10 a\u001b[31mb\u009bc\n");
    for (const form of [[], ["--json"]]) {
      const args = ["symbolize", "--perf-map", map, "--addr", "0x12", ...form];
      const { stdout: shown } = await runObsforge(args);
      assert.match(shown, /a.*31mb.*c/);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the purpose
      assert.doesNotMatch(shown, /[\u001b\u009b]/);
    }
  });

  it("looks addresses up in a copy of kallsyms", async () => {
    const path = join(folder.path, "kallsyms");
    const symbols = ["ffffffff81000000 T _stext", "ffffffff81000100 t do_work"];
    writeFileSync(path, [...symbols, "ffffffff81000200 T next", ""].join("\n"));
    const [found] = await symbolize("--kallsyms", path, "-a", "ffffffff81000110");
    assert.equal(found?.frames[0]?.["function"], "do_work");
  });

  it("reads a jitdump of a real runtime", async () => {
    const script = join(packageRoot(), "test/programs/busy_node.cjs");
    const args = ["--perf-prof", script, "javascript", "1"];
    await using node = await startCommand(process.execPath, args, { cwd: folder.path });
    await node.ended;
    const path = join(folder.path, `jit-${node.pid}.dump`);
    const address = loadedCode(readFileSync(path), "busyLeaf");
    const [found] = await symbolize("--jitdump", path, "-a", address.toString(16));
    assert.equal(found?.frames[0]?.["function"], "busyLeaf");
    assert.match(String(found?.frames[0]?.["file"]), /busy_node\.cjs$/);
  });
});

/** The last line of a growing file that is so. */
async function lineOf(path: string, wanted: RegExp): Promise<string> {
  for (let tries = 0; tries < 100; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    let text = "";
    try {
      text = readFileSync(path, "utf8");
    } catch {
      continue;
    }
    const line = text.split("\n").findLast((one) => wanted.test(one));
    if (line !== undefined) return line;
  }
  assert.fail(`${path} has no line ${wanted}`);
}

/** Where the code of the last record begins whose name holds a text; read naively. */
function loadedCode(dump: Buffer, name: string): bigint {
  let found = 0n;
  for (let at = dump.readUInt32LE(8); at + 56 <= dump.length; ) {
    const [id, bytes] = [dump.readUInt32LE(at), dump.readUInt32LE(at + 4)];
    if (id === 0 && dump.subarray(at + 56, at + bytes).includes(name)) {
      found = dump.readBigUInt64LE(at + 32);
    }
    at += Math.max(bytes, 16);
  }
  return found;
}
