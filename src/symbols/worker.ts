/**
 * The thread that parses the files of profiled processes. They are hostile input: a file that
 * takes too long or too much memory costs this thread, which the main thread ends and replaces.
 * Unwind tables go from here straight into the kernel, which makes the caller wait.
 * Nothing here opens a file of a process; descriptors come from the main thread.
 */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { messageOf } from "../support/errors.ts";
import { type ElfFile, readElf } from "./elf/elf-file.ts";
import { htlhash } from "./elf/htlhash.ts";
import { bytesAccess, fileAccess } from "./elf/random-access.ts";
import type { ExecutableInfo, Missing } from "./executable-file.ts";
import type { ReadMaps } from "./jit/read-maps.ts";
import type { ScriptMaps } from "./jit/source-map/script-maps.ts";
import { KernelSymbols, parseKallsyms } from "./kernel/kallsyms.ts";
import type { KernelFacts } from "./kernel/layout.ts";
import { parseModules } from "./kernel/modules.ts";
import { kernelBuildId } from "./kernel/notes.ts";
import type { WorkerSymbols } from "./native/worker-symbols.ts";
import {
  type FramesOfAddresses,
  type SentFile,
  type TableTarget,
  type WorkerAnswer,
  type WorkerAnswers,
  type WorkerRequest,
  workerReady,
} from "./worker-protocol.ts";

/** /proc/kallsyms of a kernel with every module has 20 MB. */
const KALLSYMS_PATH = "/proc/kallsyms";
const PIECE_BYTES = 64 * 1024;

/**
 * Milliseconds for the debug information of one question, in which it has to end: what is left
 * is named by the symbol table, and asked about again.
 */
const DEBUG_MS = 500;

let files: WorkerSymbols | undefined;
let maps: ReadMaps | undefined;
let scripts: ScriptMaps | undefined;
let kernel: KernelSymbols | Missing | undefined;

parentPort?.on("message", async (request: WorkerRequest) => {
  parentPort?.postMessage(await answer(request));
});
parentPort?.postMessage(workerReady);

async function answer(request: WorkerRequest): Promise<WorkerAnswer> {
  try {
    switch (request.kind) {
      case "identify":
        return identify(request.file);
      case "symbolize":
        return await symbolize(request);
      case "build-index":
        return await buildIndex(request);
      case "load-unwind-table":
        return await loadUnwindTable(request.file, request.target);
      case "drop-unwind-tables":
        return (await tableLoader()).dropTables(request.slots, request.dropped);
      case "name-jit":
        maps ??= await openMaps();
        return maps.nameInParts(request.map, request.addresses);
      case "map-places":
        scripts ??= await openScripts();
        return scripts.originals(request.script, request.places);
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

function identify(file: SentFile): ExecutableInfo | Missing {
  const elf = openElf(file);
  if (isOtherBuild(file, elf)) return otherBuild(file, elf);
  const { buildId, goBuildId, segments } = elf;
  return { buildId, goBuildId, segments, htlhash: htlhash(elf.access) };
}

async function symbolize({
  file,
  addresses,
  naming,
  lines,
  debugFiles,
  index,
}: SymbolizeRequest): Promise<WorkerAnswers["symbolize"]> {
  const elf = openElf(file);
  if (isOtherBuild(file, elf)) return otherBuild(file, elf);
  files ??= await openFiles();
  return files.use(file, { lines, debugFiles, index }, async (symbols) => {
    const found = await symbols.find(addresses, naming, { debugMs: DEBUG_MS });
    return {
      frames: found.map(({ frames }) => frames),
      ranges: Float64Array.from(found.flatMap(({ low, high }) => [low, high])),
      isCostly: symbols.readsDebugInfo,
    };
  });
}

async function buildIndex(request: IndexRequest): Promise<WorkerAnswers["build-index"]> {
  const { file, debugFiles } = request;
  const elf = openElf(file);
  if (isOtherBuild(file, elf)) return otherBuild(file, elf);
  const worker = await import("./native/worker-symbols.ts");
  return worker.buildIndex(file, debugFiles, request);
}

type IndexRequest = Extract<WorkerRequest, { readonly kind: "build-index" }>;

/** Who only compiles unwind tables needs none of it. */
async function openFiles(): Promise<WorkerSymbols> {
  const { WorkerSymbols: Files } = await import("./native/worker-symbols.ts");
  return new Files();
}

async function openMaps(): Promise<ReadMaps> {
  const { ReadMaps: Maps } = await import("./jit/read-maps.ts");
  return new Maps();
}

async function openScripts(): Promise<ScriptMaps> {
  const { ScriptMaps: Maps } = await import("./jit/source-map/script-maps.ts");
  return new Maps();
}

type SymbolizeRequest = Extract<WorkerRequest, { readonly kind: "symbolize" }>;

async function loadUnwindTable(
  file: SentFile,
  target: TableTarget,
): Promise<WorkerAnswers["load-unwind-table"]> {
  const elf = openElf(file);
  if (isOtherBuild(file, elf)) return otherBuild(file, elf);
  return (await tableLoader()).loadTable(elf, target);
}

/** Only a program that samples has tables loaded, and the module of libbpf with it. */
function tableLoader(): Promise<typeof import("./unwind-table-loader.ts")> {
  return import("./unwind-table-loader.ts");
}

function openElf({ key, source }: SentFile): ElfFile {
  return readElf("fd" in source ? fileAccess(source.fd, key) : bytesAccess(source.bytes, key));
}

function isOtherBuild(file: SentFile, elf: ElfFile): boolean {
  return file.buildId !== "" && file.buildId !== elf.buildId;
}

function otherBuild(file: SentFile, elf: ElfFile): Missing {
  const missing = `the file's build id is ${elf.buildId || "none"}, not ${file.buildId}`;
  return { missing, kind: "other_build" };
}

function readKernelFacts(): KernelFacts {
  const modules = parseModules(readIfThere("/proc/modules").toString("latin1")).map((module) => ({
    ...module,
    buildId: kernelBuildId(readIfThere(`/sys/module/${module.name}/notes/.note.gnu.build-id`)),
  }));
  kernel = parseKallsyms(piecesOf(KALLSYMS_PATH), modules);
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

/** A file in pieces, each of which is gone with the next. */
function* piecesOf(path: string): Generator<Uint8Array> {
  const fd = openSync(path, "r");
  try {
    const buffer = new Uint8Array(PIECE_BYTES);
    for (let count = readSync(fd, buffer); count > 0; count = readSync(fd, buffer)) {
      yield buffer.subarray(0, count);
    }
  } finally {
    closeSync(fd);
  }
}

function readIfThere(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    // A kernel without modules, or a container that hides the file.
    return Buffer.alloc(0);
  }
}
