/**
 * The rules of the house that the linter cannot see, each a function from a file to its faults.
 * test/tidy.test.ts holds the whole tree to them, and each of them to a planted fault.
 */
import { posix } from "node:path";

/** A file by its path from the root of the repository. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** "path:line: what is wrong. The mend." */
export type Fault = string;

type Rule = (file: SourceFile) => Fault[];

const FILE_LINES_MAX = 400;
const TEST_LINES_MAX = 600;
const FUNCTION_LINES_MAX = 70;
const COLUMNS_MAX = 100;

/** Lowest first. A file imports from its own row or a lower one. */
const rows: readonly (readonly string[])[] = [
  ["support"],
  ["profiles"],
  ["config"],
  ["pipeline"],
  ["transport"],
  ["linux"],
  ["symbols"],
  ["store"],
  ["receivers", "processors", "exporters", "connectors", "extensions"],
  ["components.ts"],
  ["service"],
  ["cli"],
  ["main.ts"],
];
const componentKinds = rows[8] as readonly string[];

function isTest(path: string): boolean {
  return (
    /\.(test|fuzz|bench)\.ts$/.test(path) || path.startsWith("test/") || path.includes("/testing/")
  );
}

function fault(file: SourceFile, line: number, what: string): Fault {
  return `${file.path}:${line}: ${what}`;
}

/** Calls `visit` for each line that is not a comment; numbers start with 1. */
function eachCodeLine(file: SourceFile, visit: (line: string, number: number) => void): void {
  for (const [index, line] of file.text.split("\n").entries()) {
    if (!/^\s*(\/\/|\/?\*)/.test(line)) visit(line, index + 1);
  }
}

/** The faults of every line of code that a pattern matches. */
function forbidden(file: SourceFile, pattern: RegExp, what: string): Fault[] {
  const faults: Fault[] = [];
  eachCodeLine(file, (line, number) => {
    if (pattern.test(line)) faults.push(fault(file, number, what));
  });
  return faults;
}

const fileLength: Rule = (file) => {
  const lines = file.text.trimEnd().split("\n").length;
  const max = isTest(file.path) ? TEST_LINES_MAX : FILE_LINES_MAX;
  if (lines <= max) return [];
  return [fault(file, max + 1, `${lines} lines are over ${max}. Split it by concept.`)];
};

/** Biome breaks what it can; what is left is a comment, a string, or a lone pattern. */
const lineLength: Rule = (file) => {
  const faults: Fault[] = [];
  for (const [index, line] of file.text.split("\n").entries()) {
    const cannotBreak = /^\s*(\/.*\/[a-z]*|"[^"]*"|`[^`]*`)[;,]?$/.test(line);
    if (line.length <= COLUMNS_MAX || (cannotBreak && !line.trim().startsWith("//"))) continue;
    faults.push(
      fault(file, index + 1, `${line.length} columns are over ${COLUMNS_MAX}. Break it.`),
    );
  }
  return faults;
};

const namedFunction = /^(\s*)(?:export )?(?:async )?function\b/;
const method = /^(\s+)(?:(?:static|async|get|set|override) |\*)*#?[A-Za-z_$][\w$]*(?:<[^(]*>)?\(/;
const arrowConstant = /^(\s*)(?:export )?const \w+.*(?:=>|\() ?\{?$/;
const statement = /^\s*(?:if|for|while|switch|catch|return|throw|await|describe|it|using)\b/;

/**
 * The last line of what starts at `start`, by indentation; -1 when that is no function: a call
 * closes with a bracket, a signature that is broken into lines goes on with one.
 */
function functionEnd(lines: readonly string[], start: number, indentation: string): number {
  for (let index = start + 1; index < lines.length; index++) {
    const line = lines[index] ?? "";
    if (line.startsWith(`${indentation})`) && !line.endsWith("{")) return -1;
    if (line.startsWith(`${indentation}}`)) return /^\s*\};?$/.test(line) ? index : -1;
  }
  return -1;
}

const functionLength: Rule = (file) => {
  const lines = file.text.split("\n");
  const faults: Fault[] = [];
  for (const [start, line] of lines.entries()) {
    const head = namedFunction.exec(line) ?? method.exec(line) ?? arrowConstant.exec(line);
    if (head === null || statement.test(line) || !/[{(]$/.test(line)) continue;
    const length = functionEnd(lines, start, head[1] ?? "") - start + 1;
    if (length <= FUNCTION_LINES_MAX) continue;
    const what = `a function of ${length} lines is over ${FUNCTION_LINES_MAX}. Split it.`;
    faults.push(fault(file, start + 1, what));
  }
  return faults;
};

const fsNames =
  "access appendFile close copyFile exists fstat fsync ftruncate glob lstat mkdir mkdtemp open " +
  "readdir readFile readlink read readv realpath rename rm stat statfs truncate unlink utimes " +
  "writeFile write writev";
const syncCall = new RegExp(`\\b(?:${fsNames.replaceAll(" ", "|")})Sync\\(`);

/** Where waiting for a file holds nothing else up: start-up, workers, the command line. */
const syncAllowed =
  /^(scripts|test)\/|^src\/(main\.ts|cli\/|linux\/|symbols\/)|worker|^src\/support\/program\.ts$/;

const bannedCalls: Rule = (file) => {
  const { path } = file;
  const faults: Fault[] = [];
  const ban = (pattern: RegExp, isAllowed: boolean, what: string): void => {
    if (!isAllowed) faults.push(...forbidden(file, pattern, what));
  };
  const test = isTest(path);
  const outsideSource = !path.startsWith("src/");
  ban(syncCall, test || syncAllowed.test(path), "Sync blocks the event loop. Use fs/promises.");
  ban(/\bconsole\.\w/, test, "console is not for us. Use the logger or the output given.");
  ban(
    /\bDate\.now\(/,
    test || path === "src/support/clock.ts",
    "only src/support/clock.ts reads the clock. Take a Clock.",
  );
  ban(
    /\bprocess\.exit\(/,
    outsideSource || path === "src/main.ts",
    "only src/main.ts ends the process. Return an exit code or throw.",
  );
  ban(
    /\bJSON\.parse\(/,
    test || !/^src\/(receivers|extensions)\//.test(path),
    "network JSON is parsed with limits. Use the bounded reader of src/profiles/text/.",
  );
  ban(/\.(?:inner|outer)HTML\b/, test, "data never becomes markup. Set textContent.");
  return faults;
};

const unconditional = /^\s*(?:it|test|describe)\.(?:only|skip|todo)\(/;

const lonelyTests: Rule = (file) =>
  isTest(file.path)
    ? forbidden(file, unconditional, "say what is missing with { skip: requirement(…) }.")
    : [];

/** The modules that a file names: static and dynamic imports, and re-exports. */
export function importsOf(file: SourceFile): { specifier: string; line: number }[] {
  const found: { specifier: string; line: number }[] = [];
  eachCodeLine(file, (line, number) => {
    const specifier = /(?:\bfrom|\bimport\(|^import) ?"([^"]+)"/.exec(line)?.[1];
    if (specifier !== undefined) found.push({ specifier, line: number });
  });
  return found;
}

function rowOf(path: string): number {
  const place = /^src\/([^/]+)/.exec(path)?.[1] ?? "";
  return rows.findIndex((row) => row.includes(place));
}

/** "receivers/ebpf" of a file inside a component's folder, "" of any other. */
function componentOf(path: string): string {
  const [, kind, name] = /^src\/([^/]+)\/([^/]+)\//.exec(path) ?? [];
  return kind !== undefined && componentKinds.includes(kind) ? `${kind}/${name}` : "";
}

const importRows: Rule = (file) => {
  if (!file.path.startsWith("src/")) return importsOutsideSource(file);
  if (rowOf(file.path) < 0) {
    return [
      fault(file, 1, "this folder has no row. Add it to DESIGN's rows and test/support/tidy.ts."),
    ];
  }
  return importsOf(file).flatMap(({ specifier, line }) => {
    const what = importFault(file.path, specifier);
    return what === "" ? [] : [fault(file, line, what)];
  });
};

function importsOutsideSource(file: SourceFile): Fault[] {
  return importsOf(file)
    .filter(({ specifier }) => specifier === "ffi-rs")
    .map(({ line }) => fault(file, line, "only src/linux/ffi.ts imports ffi-rs."));
}

/** What is wrong with one import of a file in src/; "" when nothing is. */
function importFault(path: string, specifier: string): string {
  if (specifier === "ffi-rs" && path !== "src/linux/ffi.ts") {
    return "only src/linux/ffi.ts imports ffi-rs.";
  }
  if (!specifier.startsWith(".")) return "";
  const target = posix.join(posix.dirname(path), specifier);
  if (!target.endsWith(".ts") && !target.endsWith(".json")) return "write the extension .ts.";
  if (!isTest(path) && isTest(target)) return `${target} is for tests only.`;
  if (!target.startsWith("src/")) {
    return isTest(path) ? "" : `${target} is outside of src/, and is not shipped.`;
  }
  if (rowOf(target) > rowOf(path)) return `${target} is in a higher row. Move what both need down.`;
  const [own, other] = [componentOf(path), componentOf(target)];
  if (own !== "" && other !== "" && own !== other) {
    return `component ${own} imports component ${other}. Move what both need to a lower row.`;
  }
  return "";
}

const limitConstant = /^(?:export )?const [A-Z][A-Z0-9_]*_(?:MAX|MIN)\b/;
const oneLineConstant = /^(?:export )?const [A-Z][A-Z0-9_]*\b.*;$/;

/** A limit's reason stands above it, or above the first of a group of constants. */
const limitReasons: Rule = (file) => {
  if (isTest(file.path)) return [];
  const lines = file.text.split("\n");
  const faults: Fault[] = [];
  for (const [index, line] of lines.entries()) {
    if (!limitConstant.test(line)) continue;
    let above = index - 1;
    while (above >= 0 && oneLineConstant.test(lines[above] ?? "")) above--;
    if (/\*\/$|^\s*\/\//.test(lines[above] ?? "")) continue;
    faults.push(fault(file, index + 1, "a limit without a reason. Say above it why this much."));
  }
  return faults;
};

const leftoverWords = new RegExp(
  `\\b(?:${["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"].join("|")})\\b` +
    `|\\bnot (?:yet )?implement${"ed"}\\b|\\bplaceholder${""}\\b.*\\blater\\b`,
);

const leftovers: Rule = (file) => {
  const faults: Fault[] = [];
  for (const [index, line] of file.text.split("\n").entries()) {
    if (!leftoverWords.test(line)) continue;
    faults.push(fault(file, index + 1, "unfinished work is named here. Finish it or file it."));
  }
  return faults;
};

/** What one developer's machine has and another's has not. */
const machinePath = new RegExp(`(?<![\\w.])/(?:work|home/\\w+|root|farm)/(?:${"main"}|shared)\\b`);

const machinePaths: Rule = (file) =>
  forbidden(file, machinePath, "a path of one machine. Build it from packageRoot().");

const spdx: Rule = (file) => {
  if (!/^bpf\/.*\.[ch]$/.test(file.path)) return [];
  const first = file.text.split("\n", 1)[0] ?? "";
  if (/^\/[/*] SPDX-License-Identifier: GPL-2\.0/.test(first)) return [];
  return [fault(file, 1, "the first line is: // SPDX-License-Identifier: GPL-2.0")];
};

const everyFile: readonly Rule[] = [leftovers, machinePaths, spdx];
const typeScript: readonly Rule[] = [
  fileLength,
  lineLength,
  functionLength,
  bannedCalls,
  lonelyTests,
  importRows,
  limitReasons,
];

/** Every fault of one file. */
export function faultsOf(file: SourceFile): Fault[] {
  const rules = file.path.endsWith(".ts") ? [...everyFile, ...typeScript] : everyFile;
  return rules.flatMap((rule) => rule(file));
}
