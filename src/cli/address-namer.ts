import { closeSync, openSync, statSync } from "node:fs";
import { dirname, isAbsolute, resolve } from "node:path";
import { defaultCacheFolder } from "../support/cache-folder.ts";
import { CollectorError, messageOf } from "../support/errors.ts";
import { type ElfFile, readElf } from "../symbols/elf/elf-file.ts";
import { fileAccess } from "../symbols/elf/random-access.ts";
import type { SymbolFrame } from "../symbols/executable-file.ts";
import type { AddressFile } from "../symbols/jit/address-file.ts";
import type { NamingOptions } from "../symbols/native/file-symbols.ts";
import {
  type DebugFileFinder,
  type OpenedSymbols,
  openSymbols,
} from "../symbols/native/opened-symbols.ts";
import type { SymbolizeFlags } from "./symbolize.ts";

export interface NamedAddress {
  /** Innermost first. */
  readonly frames: readonly SymbolFrame[];
  /** Why there are none. */
  readonly reason?: string | undefined;
}

/** Names addresses of one file or process. */
export interface AddressNamer extends AsyncDisposable {
  /** One answer for each address, in their order. */
  name(addresses: readonly bigint[]): Promise<readonly NamedAddress[]>;
}

/** Opens what the flags name. @throws CollectorError  it cannot be read; the message says why */
export async function openNamer(flags: SymbolizeFlags): Promise<AddressNamer> {
  const { binary, pid, perfMap, jitdump, kallsyms } = flags;
  if (binary !== undefined) return BinaryNamer.open(binary, flags);
  if (pid !== undefined) {
    const { openProcessNamer } = await import("./process-namer.ts");
    return openProcessNamer(pid, flags, () => debugFileFinder(flags));
  }
  const files = await import("../symbols/jit/address-file.ts");
  const named = (file: AddressFile): AddressNamer => new AddressFileNamer(withSources(file), flags);
  const { LocalSourceMaps } = await import("../symbols/jit/source-map/local-source-maps.ts");
  const sourceMaps = new LocalSourceMaps({ root: "/", user: undefined });
  const withSources = (file: AddressFile): AddressFile => ({
    framesAt: (address) => file.framesAt(address).map((frame) => sourceMaps.apply(frame)),
  });
  if (perfMap !== undefined) return named(files.openPerfMap(perfMap));
  if (jitdump !== undefined) return named(files.openJitDump(jitdump));
  return new AddressFileNamer(files.openKallsyms(kallsyms ?? ""), flags);
}

/** Files that say themselves what is at addresses. */
class AddressFileNamer implements AddressNamer {
  readonly #file: AddressFile;
  readonly #demangle: boolean;

  constructor(file: AddressFile, { demangle }: SymbolizeFlags) {
    this.#file = file;
    this.#demangle = demangle;
  }

  async name(addresses: readonly bigint[]): Promise<readonly NamedAddress[]> {
    return addresses.map((address) => {
      const frames = this.#file.framesAt(address);
      if (frames.length === 0) return { frames, reason: "nothing in the file covers the address" };
      if (this.#demangle) return { frames };
      return { frames: frames.map((frame) => ({ ...frame, name: frame.systemName })) };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** Addresses of a file are its own virtual addresses. */
class BinaryNamer implements AddressNamer {
  readonly #opened: OpenedSymbols;
  readonly #files: OpenFiles;
  readonly #options: NamingOptions;

  private constructor(opened: OpenedSymbols, files: OpenFiles, options: NamingOptions) {
    this.#opened = opened;
    this.#files = files;
    this.#options = options;
  }

  static async open(path: string, flags: SymbolizeFlags): Promise<BinaryNamer> {
    const files = new OpenFiles();
    const { elf, fd } = files.open(path);
    const splitFile = splitFilesBeside(path, files);
    const folder = defaultCacheFolder(process.env, process.geteuid?.() ?? 0);
    const opened = await openSymbols(
      { elf, path: resolve(path), fd },
      () => debugFileFinder(flags),
      { splitFile, index: { folder, makes: flags.index === true } },
    );
    return new BinaryNamer(opened, files, flags);
  }

  async name(addresses: readonly bigint[]): Promise<readonly NamedAddress[]> {
    const found = await this.#opened.symbols.find(addresses, this.#options);
    return found.map(({ frames }) => ({
      frames,
      reason: frames.length === 0 ? this.#reason : undefined,
    }));
  }

  get #reason(): string {
    const { missing } = this.#opened;
    const why = "no function of the file covers the address";
    return missing === undefined ? why : `${why}; ${missing.missing}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#opened[Symbol.dispose]();
    this.#files[Symbol.dispose]();
  }
}

/** Files that the user named, and what lies beside them. */
class OpenFiles implements Disposable {
  readonly #fds: number[] = [];

  /** @throws CollectorError  it is not there, or no ELF file */
  open(path: string): { readonly elf: ElfFile; readonly fd: number } {
    let fd: number;
    try {
      if (!statSync(path).isFile()) throw new Error("it is no regular file");
      fd = openSync(path, "r");
    } catch (error) {
      throw new CollectorError("NOT_FOUND", `${path} cannot be read: ${reasonOf(error)}`);
    }
    this.#fds.push(fd);
    return { elf: readElf(fileAccess(fd, path)), fd };
  }

  [Symbol.dispose](): void {
    for (const fd of this.#fds.splice(0)) closeSync(fd);
  }
}

function reasonOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EACCES" || code === "EPERM") return "that is not allowed; try as root";
  return messageOf(error);
}

/** .dwo files where the compiler put them, else beside the program. */
function splitFilesBeside(
  path: string,
  files: OpenFiles,
): (wanted: {
  readonly name: string;
  readonly compilationFolder: string | undefined;
}) => ElfFile | undefined {
  return ({ name, compilationFolder = "" }) => {
    const folders = isAbsolute(name) ? [""] : [compilationFolder, dirname(path)];
    for (const folder of folders) {
      try {
        return files.open(resolve(folder, name)).elf;
      } catch {
        // The next one may have it.
      }
    }
    return undefined;
  };
}

/** Loaded only by whom a file without debug information is asked about. */
async function debugFileFinder({ debugDir, debuginfod }: SymbolizeFlags): Promise<DebugFileFinder> {
  const { DebugFiles } = await import("../symbols/sources/debug-files.ts");
  const { debuginfodOptionsOfEnv, systemDebuginfodUrls } = await import(
    "../symbols/sources/options.ts"
  );
  const ofEnvironment = debuginfodOptionsOfEnv(process.env);
  const urls =
    typeof debuginfod === "string"
      ? debuginfod.split(/\s+/)
      : debuginfod === true && ofEnvironment.debuginfod_urls === undefined
        ? await systemDebuginfodUrls()
        : ofEnvironment.debuginfod_urls;
  return new DebugFiles({
    ...ofEnvironment,
    ...(debugDir !== undefined && { debug_dirs: [...debugDir, "/usr/lib/debug"] }),
    debuginfod_urls: debuginfod === false ? [] : urls,
  });
}
