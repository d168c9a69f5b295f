import { execFileSync } from "node:child_process";
import { globSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/support/package-root.ts";
import { buildJavaClass, buildProgram } from "./build-program.ts";
import type { UserFrame } from "./process-stacks.ts";
import type { CallChain, FramePattern, UnwindingCase } from "./unwinding-case.ts";
import { functionNamer } from "./unwinding-programs.ts";

/** Programs of languages that have a runtime, with what is known of their stacks. */

const SECONDS = "60";

/** goroutines.go; stripped, its names come from the program before it was stripped. */
export function goroutinesCase(isStripped = false): UnwindingCase {
  const program = buildProgram("goroutines.go");
  const descends: FramePattern[] = Array(200).fill("main.descend");
  const one: UnwindingCase = {
    name: "goroutines.go",
    command: [program, SECONDS],
    chains: [
      {
        frames: ["main.price", "main.(*express).handle", "main.serve", "main.main", "runtime.main"],
        share: 0.2,
      },
      { frames: [...descends, "main.worker"], share: 0.2 },
    ],
  };
  if (!isStripped) return one;
  const stripped = buildProgram("goroutines.go", ["-ldflags", "-s -w"]);
  const nameOf = functionNamer(program);
  return {
    ...one,
    name: "goroutines.go, stripped",
    command: [stripped, SECONDS],
    nameOf: (frame) => (frame.path === stripped ? nameOf(frame.address) : frame.name),
  };
}

/** cgo_calls.go, whose stacks go from Go to C, back to Go and to C again. */
export function cgoCase(): UnwindingCase {
  return {
    name: "cgo_calls.go",
    command: [buildProgram("cgo_calls.go"), SECONDS],
    chains: [
      { frames: ["cgo_leaf", "cgo_work"], share: 0.9 },
      { frames: [/goBack/, "cgo_back"], share: 0.9 },
      { frames: ["main.outer", "main.main", "runtime.main"], share: 0.9 },
    ],
  };
}

/** What node's main thread does all of its time. */
const nodeStart: FramePattern[] = [/^node::Start\(/];
/** Frames of node's C++ by the way of busy_node.cjs. */
const nodeChains: Readonly<Record<string, readonly CallChain[]>> = {
  json: [
    {
      frames: [/JsonParser<.*>::Parse(Json)?\(/, /Builtin_JsonParse/, /^Builtins_CEntry/],
      share: 0.3,
    },
  ],
  zlib: [{ frames: ["deflate", /CompressionStream|ZlibContext/], share: 0.5 }],
  crypto: [{ frames: [/Hash::?HashUpdate|DecodeI|crypto::Decode</], share: 0.5 }],
  sort: [{ frames: ["Builtins_ArrayTimSort", "Builtins_ArrayPrototypeSort"], share: 0.3 }],
};

/** Nothing of the chain is inlined, and every function keeps its name. */
const NAMED_JAVASCRIPT = ["--perf-basic-prof", "--max-inlined-bytecode-size=0"];

/** busy_node.cjs by one node, without flags when none are given. */
export function busyNodeCases(
  node: string,
  ways: readonly string[],
  flags: readonly string[] = [],
): UnwindingCase[] {
  return ways.map((way) => ({
    name: [node.split("/").at(-1), ...flags, way].join(" "),
    command: [node, ...flags, busyNodeScript(), way, SECONDS],
    chains: [{ frames: nodeStart, share: 0.9 }, ...(nodeChains[way] ?? [])],
  }));
}

/** The same in JavaScript whose functions are named by /tmp/perf-PID.map. */
export function namedJavaScriptCase(node: string): UnwindingCase {
  const outer: FramePattern[] = Array(11).fill(/busyOuter/);
  return {
    name: `${node.split("/").at(-1)} ${NAMED_JAVASCRIPT.join(" ")}`,
    command: [node, ...NAMED_JAVASCRIPT, busyNodeScript(), "javascript", SECONDS],
    chains: [
      { frames: nodeStart, share: 0.9 },
      { frames: [/busyLeaf/, /busyMiddle/, ...outer], share: 0.8 },
    ],
    nameOf: perfMapNames(),
  };
}

function busyNodeScript(): string {
  return join(packageRoot(), "test/programs/busy_node.cjs");
}

const pythonStart: FramePattern[] = [
  /^(Py_BytesMain|_Py_UnixMain|main)$/,
  null,
  /libc_start_main/,
  "_start",
];

/** busy_python.py by one CPython. */
export function busyPythonCases(python: string, ways: readonly string[]): UnwindingCase[] {
  const script = join(packageRoot(), "test/programs/busy_python.py");
  return ways.map((way) => ({
    name: `${python} ${way}`,
    command: [python, script, way, SECONDS],
    chains: [
      { frames: [/^_PyEval_EvalFrameDefault/], share: 0.9 },
      { frames: pythonStart, share: 0.99 },
    ],
  }));
}

/** The CPythons that pyenv has installed. */
export function pyenvPythons(): string[] {
  const root = execFileSync("pyenv", ["root"], { encoding: "utf8" }).trim();
  return globSync(join(root, "versions/3.*/bin/python3")).sort();
}

/** BusyJava.java; its frames of compiled code are named when `jcmd PID Compiler.perfmap` ran. */
export function busyJavaCase(way: string, flags: readonly string[]): UnwindingCase {
  const isNamed = way === "java";
  return {
    name: `java ${flags.join(" ")} ${way}`,
    command: ["java", ...JAVA_FLAGS, ...flags, "-cp", buildJavaClass("BusyJava"), "BusyJava", way],
    chains: [
      { frames: [/^JavaCalls::call_helper/, /^jni_invoke_static/, "jni_CallStaticVoidMethod"] },
      ...(isNamed ? [{ frames: javaFrames, share: 0.8 }] : []),
    ],
    ...(isNamed ? { nameOf: perfMapNames() } : {}),
  };
}

/** Nothing of the chain is inlined. */
const JAVA_FLAGS = ["-XX:CompileCommand=quiet", "-XX:CompileCommand=dontinline,BusyJava*::*"];

const javaFrames: FramePattern[] = [
  /BusyJava\.tax/,
  /BusyJava\.price/,
  /BusyJava\$Express\.handle/,
  /BusyJava\.serve/,
];

/** Names code that no file holds by what its process wrote to /tmp/perf-PID.map. */
function perfMapNames(): (frame: UserFrame, pid: number) => string {
  const namers = new Map<number, (address: bigint) => string>();
  return ({ name, path, address }, pid) => {
    if (path.startsWith("/") || path === "[vdso]") return name;
    const found = namers.getOrInsertComputed(pid, perfMapNamer)(address);
    return found === "" ? name : found;
  };
}

function perfMapNamer(pid: number): (address: bigint) => string {
  const path = `/tmp/perf-${pid}.map`;
  const lines = readFileSync(path, "utf8").matchAll(
    /^(?:0x)?([0-9a-f]+) (?:0x)?([0-9a-f]+) (.*)$/gm,
  );
  const entries = Array.from(lines, ([, start, bytes, name]) => ({
    start: BigInt(`0x${start}`),
    end: BigInt(`0x${start}`) + BigInt(`0x${bytes}`),
    name: name as string,
  }));
  rmSync(path);
  // Code that was thrown away stands before what took its place.
  return (address) =>
    entries.findLast(({ start, end }) => address >= start && address < end)?.name ?? "";
}
