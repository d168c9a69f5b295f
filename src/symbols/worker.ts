/**
 * The thread that parses the files of profiled processes. They are hostile input: a file that
 * takes too long or too much memory costs this thread, which the main thread ends and replaces.
 * Nothing here opens a file of a process; descriptors come from the main thread.
 */
import { readFileSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { messageOf } from "../support/errors.ts";
import { demangle, loadDemangler } from "./demangle/demangle.ts";
import { type ElfFile, readElf } from "./elf/elf-file.ts";
import { htlhash } from "./elf/htlhash.ts";
import { bytesAccess, fileAccess } from "./elf/random-access.ts";
import { readSymbolTable, type SymbolTable } from "./elf/symbol-table.ts";
import type { ExecutableInfo, Missing, SymbolFrame } from "./executable-file.ts";
import { KernelSymbols, parseKallsyms } from "./kernel/kallsyms.ts";
import type { KernelFacts } from "./kernel/layout.ts";
import { parseModules } from "./kernel/modules.ts";
import { kernelBuildId } from "./kernel/notes.ts";
import {
  type FramesOfAddresses,
  needsSource,
  type SentFile,
  type WorkerAnswer,
  type WorkerRequest,
  workerReady,
} from "./worker-protocol.ts";

/** Bytes of symbol tables that are kept; beyond it the ones not used longest go. */
const TABLE_BYTES_MAX = 192 * 1024 * 1024;
/** /proc/kallsyms of a kernel with every module has 20 MB. */
const KALLSYMS_PATH = "/proc/kallsyms";

const tables = new Map<string, SymbolTable>();
let tableBytes = 0;
let kernel: KernelSymbols | Missing | undefined;

await loadDemangler();
parentPort?.on("message", (request: WorkerRequest) => {
  parentPort?.postMessage(answer(request));
});
parentPort?.postMessage(workerReady);

function answer(request: WorkerRequest): WorkerAnswer {
  try {
    switch (request.kind) {
      case "identify":
        return identify(request.file, request.loadSymbols);
      case "symbolize":
        return symbolize(request.file, request.addresses, request.demangle);
      case "kernel-facts":
        return readKernelFacts();
      case "kernel-symbolize":
        return symbolizeKernel(request.addresses);
    }
  } catch (error) {
    // A broken file is an answer like any other: its frames stay without names.
    return { missing: messageOf(error) };
  }
}

function identify(
  file: SentFile,
  loadSymbols: boolean,
): ExecutableInfo | Missing | typeof needsSource {
  const elf = openElf(file);
  if (elf === undefined) return needsSource;
  if (isOtherBuild(file, elf)) return otherBuild(file, elf);
  if (loadSymbols && !tables.has(file.key)) keepTable(file.key, readSymbolTable(elf));
  const { buildId, goBuildId, segments } = elf;
  return { buildId, goBuildId, segments, htlhash: htlhash(elf.access) };
}

function symbolize(
  file: SentFile,
  addresses: BigUint64Array,
  wantsDemangled: boolean,
): FramesOfAddresses | Missing | typeof needsSource {
  let table = tables.get(file.key);
  if (table === undefined) {
    const elf = openElf(file);
    if (elf === undefined) return needsSource;
    if (isOtherBuild(file, elf)) return otherBuild(file, elf);
    table = readSymbolTable(elf);
  }
  keepTable(file.key, table);
  return Array.from(addresses, (address) => {
    const symbol = table.lookup(address);
    return symbol === undefined ? [] : [frameOf(symbol.name, wantsDemangled)];
  });
}

function frameOf(systemName: string, wantsDemangled: boolean): SymbolFrame {
  return { name: wantsDemangled ? demangle(systemName) : systemName, systemName };
}

function openElf({ key, source }: SentFile): ElfFile | undefined {
  if (source === undefined) return undefined;
  return readElf("fd" in source ? fileAccess(source.fd, key) : bytesAccess(source.bytes, key));
}

function isOtherBuild(file: SentFile, elf: ElfFile): boolean {
  return file.buildId !== "" && file.buildId !== elf.buildId;
}

function otherBuild(file: SentFile, elf: ElfFile): Missing {
  const missing = `the file's build id is ${elf.buildId || "none"}, not ${file.buildId}`;
  return { missing, kind: "other_build" };
}

/** Makes a table the one used last, and forgets those not used longest. */
function keepTable(key: string, table: SymbolTable): void {
  if (tables.delete(key)) tableBytes -= table.byteSize;
  tables.set(key, table);
  tableBytes += table.byteSize;
  for (const [oldKey, oldTable] of tables) {
    if (tableBytes <= TABLE_BYTES_MAX || oldKey === key) break;
    tables.delete(oldKey);
    tableBytes -= oldTable.byteSize;
  }
}

function readKernelFacts(): KernelFacts {
  const modules = parseModules(readIfThere("/proc/modules").toString("latin1")).map((module) => ({
    ...module,
    buildId: kernelBuildId(readIfThere(`/sys/module/${module.name}/notes/.note.gnu.build-id`)),
  }));
  kernel = parseKallsyms(readFileSync(KALLSYMS_PATH), modules);
  return {
    textStart: kernel instanceof KernelSymbols ? kernel.textStart : 0n,
    modules,
    buildId: kernelBuildId(readIfThere("/sys/kernel/notes")),
    ...(!(kernel instanceof KernelSymbols) && { missing: kernel.missing }),
  };
}

function symbolizeKernel(addresses: BigUint64Array): FramesOfAddresses | Missing {
  if (kernel === undefined) readKernelFacts();
  const symbols = kernel;
  if (!(symbols instanceof KernelSymbols)) return symbols ?? { missing: "no kernel symbols" };
  return Array.from(addresses, (address) => {
    const symbol = symbols.lookup(address);
    return symbol === undefined ? [] : [{ name: symbol.name, systemName: symbol.name }];
  });
}

function readIfThere(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    // A kernel without modules, or a container that hides the file.
    return Buffer.alloc(0);
  }
}
