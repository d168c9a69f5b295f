import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { requirement } from "../support/requirements.ts";
import { runCommand, runObsforge, startCommand, startObsforge } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const folder = temporaryFolder();
after(() => folder[Symbol.dispose]());

const profiling = { skip: requirement("root", "bpf") };
const SPIN = "while :; do :; done";

/** One sentence: the program's name, what is wrong and where, the mend. */
const mistakes = [
  { name: "an unknown command", args: ["recrod"], code: 2, says: /did you mean record\?/ },
  {
    name: "an unknown flag",
    args: ["record", "--freq"],
    code: 2,
    says: /did you mean --frequency/,
  },
  { name: "a pid that is no number", args: ["record", "-p", "x"], code: 2, says: /pidof NAME/ },
  { name: "a frequency of 0", args: ["record", "-F", "0"], code: 2, says: /from 1 to 10000/ },
  { name: "a negative duration", args: ["record", "-d", "-1"], code: 2, says: /above 0/ },
  {
    name: "a duration of years",
    args: ["record", "-d", "3000000"],
    code: 2,
    says: /up to 2000000/,
  },
  { name: "a pid in another notation", args: ["record", "-p", "1e3"], code: 2, says: /pidof NAME/ },
  { name: "no such process", args: ["record", "-p", "4194303"], code: 1, says: /ps ax/ },
  { name: "-a with -p", args: ["record", "-a", "-p", "1"], code: 2, says: /only one/ },
  { name: "no such command", args: ["record", "--", "nosuch"], code: 1, says: /no such command/ },
  { name: "a pid as command", args: ["record", "77"], code: 1, says: /use -p 77/ },
  { name: "an unknown extension", args: ["record", "-o", "x.foldde"], code: 2, says: /\.folded/ },
  { name: "no such folder", args: ["record", "-o", "/no/x.folded"], code: 1, says: /folder \/no / },
  {
    name: "an unknown format",
    args: ["convert", "--to", "x", "a", "b"],
    code: 2,
    says: /use pprof/,
  },
  {
    name: "no such input",
    args: ["convert", "/no.folded", "x.folded"],
    code: 1,
    says: /no such file/,
  },
  {
    name: "a folder as input",
    args: ["convert", "/tmp", "x.folded"],
    code: 2,
    says: /is a folder/,
  },
];

describe("a mistake on the command line", () => {
  for (const { name, args, code, says } of mistakes) {
    it(`is named with its mend: ${name}`, async () => {
      const result = await runObsforge(args, { cwd: folder.path });
      assert.equal(result.code, code, result.stderr);
      assert.match(result.stderr, says);
      assert.doesNotMatch(result.stderr, /\n\s+at /, "a stack trace is not for users");
      assert.deepEqual(readdirSync(folder.path), [], "nothing is left behind");
    });
  }

  it("is also a thread's id in place of its process's", profiling, async () => {
    await using threads = await startCommand("node", ["-e", "setInterval(() => {}, 1000)"]);
    await sleep(500);
    const [, tid] = readdirSync(`/proc/${threads.pid}/task`);
    const result = await runObsforge(["record", "-p", String(tid)], { cwd: folder.path });
    assert.equal(result.code, 1);
    assert.match(result.stderr, new RegExp(`use -p ${threads.pid}`));
  });
});

describe("help", () => {
  for (const command of ["record", "convert", "doctor"]) {
    it(`of ${command} has examples`, async () => {
      const { code, stdout } = await runObsforge([command, "--help"]);
      assert.equal(code, 0);
      assert.match(stdout, new RegExp(`Examples:\\n {2}.*obsforge ${command}`));
    });
  }

  it("comes without arguments, with exit code 2 as for any command that lacks a word", async () => {
    const { code, stderr } = await runObsforge([]);
    assert.equal(code, 2);
    assert.match(stderr, /Commands:/);
  });
});

describe("record", profiling, () => {
  it("passes the command's exit code on and leaves its output alone", async () => {
    const out = folder.file("exit.folded");
    const args = ["record", "-o", out, "--", "sh", "-c", "echo hello; exit 7"];
    const { code, stdout } = await runObsforge(args);
    assert.equal(code, 7);
    assert.equal(stdout, "hello\n");
    assert.ok(existsSync(out));
  });

  it("gives the command its own flags", async () => {
    const out = folder.file("flags.folded");
    const { code, stdout } = await runObsforge(["record", "-o", out, "printf", "%s", "-F"]);
    assert.equal(code, 0);
    assert.equal(stdout, "-F");
  });

  it("follows the children of the command", async () => {
    const out = folder.file("children.folded");
    const spin = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
    await runObsforge(["record", "-o", out, "--", "bash", "-c", `(dash -c '${spin}') & wait`]);
    assert.match(readFileSync(out, "utf8"), /^dash;/m);
  });

  it("ends at Ctrl-C, writes, and ends the command", async () => {
    const out = folder.file("interrupted.folded");
    await using recording = await startObsforge(["record", "-o", out, "--", "sh", "-c", SPIN]);
    await sleep(1500);
    recording.signal("SIGINT");
    const { code, stderr } = await recording.ended;
    assert.equal(code, 130, stderr);
    assert.match(stderr, /samples of 1 process/);
    assert.match(readFileSync(out, "utf8"), /^(sh|dash);/m);
  });

  it("profiles a running process for a time, to standard output", async () => {
    await using busy = await startCommand("sh", ["-c", SPIN]);
    const args = ["record", "-p", String(busy.pid), "-d", "1.5", "-o", "-", "--format", "folded"];
    const { code, stdout } = await runObsforge(args);
    assert.equal(code, 0);
    const total = stdout
      .split("\n")
      .reduce((sum, line) => sum + Number(/ (\d+)$/.exec(line)?.[1] ?? 0), 0);
    // 148 on a quiet machine; what else runs takes its part of the CPU.
    assert.ok(total > 50 && total < 180, `${total} samples in 1.5 s at 99 Hz`);
  });

  it("ends when the process ends", async () => {
    await using short = await startCommand("sleep", ["1"]);
    const out = folder.file("short.folded");
    const { code } = await runObsforge(["record", "-p", String(short.pid), "-d", "30", "-o", out]);
    assert.equal(code, 0);
  });

  it("runs the command as the user who called sudo", async () => {
    const env = { ...process.env, SUDO_UID: "65534", SUDO_GID: "65534", SUDO_USER: "nobody" };
    const args = [
      "record",
      "-q",
      "-o",
      folder.file("sudo.folded"),
      "--",
      "sh",
      "-c",
      "id -u; echo $USER",
    ];
    const { stdout } = await runObsforge(args, { env });
    assert.equal(stdout, "65534\nnobody\n");
  });

  it("says in one sentence that the disk is full, and leaves no file", async () => {
    const disk = folder.file("disk");
    await runCommand("mkdir", [disk]);
    await runCommand("mount", ["-t", "tmpfs", "-o", "size=4k", "tmpfs", disk]);
    try {
      writeFileSync(`${disk}/filler`, "x".repeat(4096));
      const result = await runObsforge(["record", "-o", `${disk}/x.pb.gz`, "--", "true"]);
      assert.equal(result.code, 1);
      assert.match(result.stderr, /^obsforge: no space left for .*: free some, or/m);
      assert.deepEqual(readdirSync(disk), ["filler"]);
    } finally {
      await runCommand("umount", [disk]);
    }
  });

  it("says what a user without rights has to do", async () => {
    const nobody = { uid: 65_534, gid: 65_534, cwd: "/" };
    const result = await runObsforge(
      ["record", "-d", "1", "-o", "/tmp/not-written.folded"],
      nobody,
    );
    assert.equal(result.code, 1);
    assert.match(result.stderr, /^obsforge: .*[Rr]un as root.*\n$/);
    assert.equal(existsSync("/tmp/not-written.folded"), false);
  });

  for (const extension of ["pb.gz", "folded", "otlp.pb", "otlp.json", "speedscope.json"]) {
    it(`writes ${extension}, which convert reads`, async () => {
      const out = folder.file(`format.${extension}`);
      const spin = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";
      await runObsforge(["record", "-o", out, "--", "sh", "-c", spin]);
      const { code, stdout, stderr } = await runObsforge(["convert", out, "-", "--to", "folded"]);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^\S.* \d+$/m);
    });
  }
});
