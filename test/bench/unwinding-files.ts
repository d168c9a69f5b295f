import { execFileSync } from "node:child_process";
import { closeSync, globSync, openSync, realpathSync, statSync } from "node:fs";
import { basename } from "node:path";
import { tableBlocks } from "../../src/symbols/cfi/table-blocks.ts";
import { buildUnwindTable } from "../../src/symbols/cfi/unwind-table.ts";
import { readElf } from "../../src/symbols/elf/elf-file.ts";
import { fileAccess } from "../../src/symbols/elf/random-access.ts";
import { median, printTable } from "./markdown-table.ts";

/** How long large files' unwind tables take to build, and their sizes: median of 5 after one. */

const RUNS = 5;
const libraries = ["libc.so.6", "libstdc++.so.6", "libcrypto.so.3"];

const head = ["", "file, MB", "built in, ms", "table in the kernel, KB", "rows"];
printTable("Unwind tables of files", head, [...paths().map(rowOf)]);

/** Those that this machine has. */
function paths(): string[] {
  const known = execFileSync("/sbin/ldconfig", ["-p"], { encoding: "utf8" });
  const found = libraries.flatMap((name) => {
    const pattern = new RegExp(`^\\s${RegExp.escape(name)} .*x86-64.* => (.*)$`, "m");
    return pattern.exec(known)?.[1] ?? [];
  });
  return [process.execPath, ...found, ...globSync("/usr/lib/jvm/*/lib/server/libjvm.so").slice(-1)];
}

function rowOf(path: string): string[] {
  const real = realpathSync(path);
  const fd = openSync(real, "r");
  try {
    const build = () => buildUnwindTable(readElf(fileAccess(fd, real)));
    build();
    const times = Array.from({ length: RUNS }, () => {
      const start = performance.now();
      build();
      return performance.now() - start;
    });
    const table = build();
    if ("missing" in table) return [basename(path), table.missing, "", "", ""];
    return [
      basename(path),
      (statSync(real).size / 1e6).toFixed(1),
      median(times).toFixed(0),
      (tableBlocks(table).blocks.byteLength / 1000).toFixed(0),
      table.statistics.rows.toLocaleString("en"),
    ];
  } finally {
    closeSync(fd);
  }
}
