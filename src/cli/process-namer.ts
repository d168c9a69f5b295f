import { readOwnVdso } from "../linux/own-vdso.ts";
import { readProcess } from "../linux/proc.ts";
import { isFileBacked, type ProcessMapping } from "../linux/process-mapping.ts";
import { openTargetFile } from "../linux/target-file.ts";
import { messageOf } from "../support/errors.ts";
import { type ElfFile, readElf } from "../symbols/elf/elf-file.ts";
import { fileAddress } from "../symbols/elf/file-address.ts";
import { bytesAccess, fileAccess } from "../symbols/elf/random-access.ts";
import type { SymbolFrame } from "../symbols/executable-file.ts";
import { VDSO_PATH } from "../symbols/executables.ts";
import { openJitFileOf } from "../symbols/jit/jit-file.ts";
import { processIds } from "../symbols/jit/process-ids.ts";
import { ReadMaps } from "../symbols/jit/read-maps.ts";
import { LocalSourceMaps } from "../symbols/jit/source-map/local-source-maps.ts";
import type { NamingOptions } from "../symbols/native/file-symbols.ts";
import {
  type DebugFileFinder,
  type OpenedSymbols,
  openSymbols,
} from "../symbols/native/opened-symbols.ts";
import type { AddressNamer, NamedAddress } from "./address-namer.ts";
import { requireProcesses } from "./target-processes.ts";

/** Names addresses of a running process. @throws CollectorError NOT_FOUND  there is none */
export function openProcessNamer(
  pid: number,
  options: NamingOptions,
  finder: () => Promise<DebugFileFinder>,
): AddressNamer {
  requireProcesses([pid]);
  return new ProcessNamer(pid, options, finder);
}

/** A file that the process has mapped, or why it cannot be read. */
type MappedSymbols =
  | { readonly opened: OpenedSymbols; readonly elf: ElfFile }
  | { readonly reason: string };

class ProcessNamer implements AddressNamer {
  readonly #pid: number;
  readonly #options: NamingOptions;
  readonly #finder: () => Promise<DebugFileFinder>;
  readonly #files = new Map<string, MappedSymbols>();
  readonly #held: Disposable[] = [];
  readonly #jitMaps = new ReadMaps();
  #sourceMaps: LocalSourceMaps | undefined;

  constructor(pid: number, options: NamingOptions, finder: () => Promise<DebugFileFinder>) {
    this.#pid = pid;
    this.#options = options;
    this.#finder = finder;
  }

  /** Each time by what is mapped then. */
  async name(addresses: readonly bigint[]): Promise<readonly NamedAddress[]> {
    const mappings = readProcess(this.#pid)?.mappings;
    if (mappings === undefined) {
      return addresses.map(() => ({ frames: [], reason: `process ${this.#pid} has ended` }));
    }
    const named = new Array<NamedAddress>(addresses.length);
    const byMapping = Map.groupBy(addresses.keys(), (index) => {
      const address = addresses[index] as bigint;
      return mappings.find(({ start, end }) => address >= start && address < end);
    });
    for (const [mapping, indices] of byMapping) {
      const asked = indices.map((index) => addresses[index] as bigint);
      const found = await this.#nameIn(mapping, asked, mappings);
      for (const [place, index] of indices.entries()) named[index] = found[place] as NamedAddress;
    }
    return named;
  }

  async #nameIn(
    mapping: ProcessMapping | undefined,
    addresses: readonly bigint[],
    mappings: readonly ProcessMapping[],
  ): Promise<readonly NamedAddress[]> {
    const all = (reason: string): NamedAddress[] => addresses.map(() => ({ frames: [], reason }));
    if (mapping === undefined) return all("no code is mapped there");
    if (!isFileBacked(mapping) && mapping.path !== VDSO_PATH) {
      return this.#nameJit(addresses, mappings);
    }
    const file = await this.#fileOf(mapping);
    if ("reason" in file) return all(file.reason);
    const { opened, elf } = file;
    const own = addresses.map((address) => fileAddress(elf.segments, mapping, address) ?? 0n);
    const found = await opened.symbols.find(own, this.#options);
    return found.map(({ frames }, index) => {
      if (frames.length > 0) return { frames };
      const place = `${mapping.path}+0x${(own[index] as bigint).toString(16)}`;
      return { frames, reason: `no function of the file covers ${place}` };
    });
  }

  async #fileOf(mapping: ProcessMapping): Promise<MappedSymbols> {
    const { path, device, inode } = mapping;
    const key = `${device.major}:${device.minor}:${inode} ${path}`;
    const known = this.#files.get(key);
    if (known !== undefined) return known;
    const file = await this.#openFile(mapping).catch((error) => ({ reason: messageOf(error) }));
    this.#files.set(key, file);
    return file;
  }

  async #openFile(mapping: ProcessMapping): Promise<MappedSymbols> {
    const { path } = mapping;
    const root = `/proc/${this.#pid}/root`;
    const elf = this.#openElf(mapping);
    if (typeof elf === "string") return { reason: `${path} cannot be read: ${elf}` };
    const opened = await openSymbols({ elf, path, root }, this.#finder);
    this.#held.push(opened);
    return { opened, elf };
  }

  #openElf(mapping: ProcessMapping): ElfFile | string {
    if (mapping.path === VDSO_PATH) {
      const bytes = readOwnVdso();
      return bytes === undefined ? "this kernel maps none" : readElf(bytesAccess(bytes, VDSO_PATH));
    }
    const file = openTargetFile({ pid: this.#pid, exitNs: undefined }, mapping);
    if ("missing" in file) return file.missing;
    this.#held.push(file);
    return readElf(fileAccess(file.fd, mapping.path));
  }

  #nameJit(addresses: readonly bigint[], mappings: readonly ProcessMapping[]): NamedAddress[] {
    const opened = openJitFileOf(this.#pid, mappings);
    if ("missing" in opened) {
      const reason = `a runtime made it; ${opened.missing}`;
      return addresses.map(() => ({ frames: [], reason }));
    }
    using file = opened;
    const { fd, kind, path, identity } = file;
    const map = { fd, kind, key: `${path} (${identity})` };
    const found = this.#jitMaps.name(map, BigUint64Array.from(addresses));
    return found.map((frames) => {
      if (frames.length > 0)
        return { frames: frames.map((one) => this.#shown(this.#written(one))) };
      return { frames, reason: "a runtime made it, and its map does not cover the address" };
    });
  }

  #written(frame: SymbolFrame): SymbolFrame {
    const user = processIds(this.#pid)?.fileUser;
    if (user === undefined) return frame;
    this.#sourceMaps ??= new LocalSourceMaps({ root: `/proc/${this.#pid}/root`, user });
    return this.#sourceMaps.apply(frame);
  }

  #shown(frame: SymbolFrame): SymbolFrame {
    return this.#options.demangle ? frame : { ...frame, name: frame.systemName };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#held.splice(0)) one[Symbol.dispose]();
  }
}
