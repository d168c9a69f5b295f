/**
 * BPF objects, programs, maps and links with an owner: each `Disposable` gives back what it
 * holds, and `using` puts that in the right order.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CollectorError } from "../support/errors.ts";
import { packageRoot } from "../support/package-root.ts";
import { checked, EAGAIN, ENOENT, errnoCode, errnoText } from "./errno.ts";
import { addressOf } from "./ffi.ts";
import * as libbpf from "./libbpf.ts";

/** The kernel explains a refused program in here; the reason stands at the end. */
const KERNEL_LOG_BYTES = 256 * 1024;
/** Maps of one object that are looked at; ours have six. */
const MAPS_MAX = 64;
/** How often a program is verified again when a signal interrupted the verifier. */
const LOAD_TRIES_MAX = 5;
/** What of that explanation goes into an error message. */
const LOG_TAIL_CHARACTERS = 600;

/** struct bpf_object_open_opts of libbpf 1.1; later versions accept the shorter one. */
const OPEN_OPTIONS = { bytes: 80, kernelLogBuffer: 56, kernelLogSize: 64 };

/** struct bpf_prog_info of <linux/bpf.h>, up to verified_insns. */
const PROGRAM_INFO = {
  bytes: 220,
  id: 4,
  runTimeNs: 192,
  runCount: 200,
  recursionMisses: 208,
  verifiedInstructions: 216,
};

/** Where `make bpf` puts the object of bpf/`name`.bpf.c for this machine. */
export function bpfObjectPath(name: string): string {
  const architecture = process.arch === "arm64" ? "arm64" : "x86_64";
  return join(packageRoot(), "build/bpf", architecture, `${name}.bpf.o`);
}

export interface BpfObjectOptions {
  /** The whole contents of the section .rodata: what the program's constants are set to. */
  readonly rodata?: Uint8Array;
  /** Entries (bytes of a ring buffer) of maps whose size is known only now. */
  readonly mapEntries?: Readonly<Record<string, number>>;
  /** Programs that are left out. */
  readonly skipPrograms?: readonly string[];
}

/** One object file in the kernel: its maps are created, its programs verified. */
export class BpfObject implements Disposable {
  readonly #path: string;
  readonly #kernelLog: Uint8Array;
  #object: number;

  private constructor(path: string, object: number, kernelLog: Uint8Array) {
    this.#path = path;
    this.#object = object;
    this.#kernelLog = kernelLog;
  }

  /**
   * Opens an object file, sets it up and loads it. Nothing runs before a program is attached.
   *
   * @throws CollectorError  libbpf is missing, the file is, or the kernel refuses a program or
   *   map; then the message holds the end of the verifier's log
   */
  static load(path: string, options: BpfObjectOptions = {}): BpfObject {
    libbpf.openLibbpf();
    for (let tries = 1; tries < LOAD_TRIES_MAX; tries++) {
      const object = BpfObject.#loadOnce(path, options);
      if (object !== "interrupted") return object;
    }
    return BpfObject.#loadOnce(path, options, true) as BpfObject;
  }

  /** An object that was not loaded cannot be again: each try opens the file anew. */
  static #loadOnce(
    path: string,
    options: BpfObjectOptions,
    isLast = false,
  ): BpfObject | "interrupted" {
    const kernelLog = new Uint8Array(KERNEL_LOG_BYTES);
    const pointer = checked(
      libbpf.objectOpenFile(path, openOptions(kernelLog)),
      `BPF object ${path}`,
    );
    const object = new BpfObject(path, pointer, kernelLog);
    try {
      object.#prepare(options);
      const result = libbpf.objectLoad(object.#object);
      if (result === -EAGAIN && !isLast) {
        object[Symbol.dispose]();
        return "interrupted";
      }
      if (result < 0) throw object.#refusal(result);
      return object;
    } catch (error) {
      object[Symbol.dispose]();
      throw error;
    }
  }

  #prepare(options: BpfObjectOptions): void {
    if (options.rodata !== undefined) {
      const pointer = this.#mapPointer(".rodata");
      checked(libbpf.mapSetInitialValue(pointer, options.rodata), `${this.#path}: .rodata`);
    }
    for (const [name, entries] of Object.entries(options.mapEntries ?? {})) {
      const pointer = this.#mapPointer(name);
      checked(libbpf.mapSetMaxEntries(pointer, entries), `${this.#path}: size of map ${name}`);
    }
    for (const name of options.skipPrograms ?? []) {
      libbpf.programSetAutoload(this.#programPointer(name), false);
    }
  }

  #refusal(result: number): CollectorError {
    const log = this.kernelLog().trim().slice(-LOG_TAIL_CHARACTERS);
    return new CollectorError(
      result === -ENOENT ? "UNSUPPORTED" : errnoCode(result),
      `the kernel refuses BPF object ${this.#path}: ${errnoText(result)}` +
        (log === "" ? "" : `; the end of its log: ${log}`),
    );
  }

  /** What the kernel wrote about the program that it refused; empty when it refused none. */
  kernelLog(): string {
    const end = this.#kernelLog.indexOf(0);
    return new TextDecoder().decode(this.#kernelLog.subarray(0, end < 0 ? undefined : end));
  }

  program(name: string): BpfProgram {
    return new BpfProgram(name, this.#programPointer(name));
  }

  map(name: string): BpfMap {
    return new BpfMap(name, libbpf.mapFd(this.#mapPointer(name)));
  }

  /** Kernel memory of all its maps, as the kernel accounts it, which older ones do roughly. */
  mapBytes(): number {
    let bytes = 0;
    let map = libbpf.objectNextMap(this.#object, 0);
    for (let maps = 0; map > 0 && maps < MAPS_MAX; maps++) {
      bytes += mapBytes(libbpf.mapFd(map));
      map = libbpf.objectNextMap(this.#object, map);
    }
    return bytes;
  }

  #programPointer(name: string): number {
    return checked(
      libbpf.objectFindProgram(this.#object, name),
      `BPF program ${name} in ${this.#path}`,
    );
  }

  #mapPointer(name: string): number {
    return checked(libbpf.objectFindMap(this.#object, name), `BPF map ${name} in ${this.#path}`);
  }

  [Symbol.dispose](): void {
    if (this.#object === 0) return;
    libbpf.objectClose(this.#object);
    this.#object = 0;
  }
}

/**
 * Kernel memory of a map, as the kernel accounts it. Source: bpf_map_show_fdinfo in
 * kernel/bpf/syscall.c.
 */
export function mapBytes(fd: number): number {
  const text = readFileSync(`/proc/self/fdinfo/${fd}`, "latin1");
  return Number(/^memlock:\s+(\d+)$/m.exec(text)?.[1] ?? 0);
}

function openOptions(kernelLog: Uint8Array): Uint8Array {
  const options = new Uint8Array(OPEN_OPTIONS.bytes);
  const view = new DataView(options.buffer);
  view.setBigUint64(0, BigInt(OPEN_OPTIONS.bytes), true);
  view.setBigUint64(OPEN_OPTIONS.kernelLogBuffer, BigInt(addressOf(kernelLog)), true);
  view.setBigUint64(OPEN_OPTIONS.kernelLogSize, BigInt(kernelLog.byteLength), true);
  return options;
}

export interface BpfProgramInfo {
  readonly id: number;
  /** Instructions that the verifier looked at, over every path. */
  readonly verifiedInstructions: number;
  /** 0 unless sysctl kernel.bpf_stats_enabled is on. */
  readonly runTimeNs: bigint;
  readonly runCount: bigint;
  /** Runs that the kernel left out because the program was running on that CPU already. */
  readonly recursionMisses: bigint;
}

/** A program of a loaded object; lives as long as the object. */
export class BpfProgram {
  readonly name: string;
  readonly #pointer: number;

  constructor(name: string, pointer: number) {
    this.name = name;
    this.#pointer = pointer;
  }

  get fd(): number {
    return libbpf.programFd(this.#pointer);
  }

  /** Attaches to what the program's section names. */
  attach(): BpfLink {
    return this.#link(libbpf.programAttach(this.#pointer), "attach");
  }

  /** Attaches to a perf event, enables it, and takes its fd over: it is closed with the link. */
  attachPerfEvent(eventFd: number): BpfLink {
    return this.#link(libbpf.programAttachPerfEvent(this.#pointer, eventFd), "attach to an event");
  }

  /** Attaches an iterator. `options`: struct bpf_iter_attach_opts, `sz` included. */
  attachIterator(options: Uint8Array): BpfLink {
    return this.#link(libbpf.programAttachIter(this.#pointer, options), "attach as an iterator");
  }

  #link(result: number, what: string): BpfLink {
    return new BpfLink(checked(result, `BPF program ${this.name}: ${what}`));
  }

  info(): BpfProgramInfo {
    const bytes = new Uint8Array(PROGRAM_INFO.bytes);
    checked(libbpf.objectInfo(this.fd, bytes), `BPF program ${this.name}: information`);
    const view = new DataView(bytes.buffer);
    return {
      id: view.getUint32(PROGRAM_INFO.id, true),
      verifiedInstructions: view.getUint32(PROGRAM_INFO.verifiedInstructions, true),
      runTimeNs: view.getBigUint64(PROGRAM_INFO.runTimeNs, true),
      runCount: view.getBigUint64(PROGRAM_INFO.runCount, true),
      recursionMisses: view.getBigUint64(PROGRAM_INFO.recursionMisses, true),
    };
  }
}

/** What keeps a program attached. */
export class BpfLink implements Disposable {
  #pointer: number;

  constructor(pointer: number) {
    this.#pointer = pointer;
  }

  get fd(): number {
    return libbpf.linkFd(this.#pointer);
  }

  /** A new fd from which one run of an iterator is read; the caller closes it. */
  createIterator(): number {
    return checked(libbpf.iterCreate(this.fd), "BPF iterator");
  }

  /** Detaches. No run starts after it; one that is under way may still end. */
  [Symbol.dispose](): void {
    if (this.#pointer === 0) return;
    libbpf.linkDestroy(this.#pointer);
    this.#pointer = 0;
  }
}

/** A map of a loaded object; lives as long as the object. Keys and values are its raw bytes. */
export class BpfMap {
  readonly name: string;
  readonly fd: number;

  constructor(name: string, fd: number) {
    this.name = name;
    this.fd = fd;
  }

  /** Fills `value`, which has the size of the map's; for a per-CPU map, that of every CPU. */
  lookup(key: Uint8Array, value: Uint8Array): boolean {
    const result = libbpf.mapLookup(this.fd, key, value);
    if (result === -ENOENT) return false;
    checked(result, `BPF map ${this.name}: lookup`);
    return true;
  }

  /** Adds or replaces. */
  update(key: Uint8Array, value: Uint8Array): void {
    const BPF_ANY = 0;
    checked(libbpf.mapUpdate(this.fd, key, value, BPF_ANY), `BPF map ${this.name}: update`);
  }

  /** False when there was no such key. */
  delete(key: Uint8Array): boolean {
    const result = libbpf.mapDelete(this.fd, key);
    if (result === -ENOENT) return false;
    checked(result, `BPF map ${this.name}: delete`);
    return true;
  }

  /**
   * Adds or replaces many at once.
   *
   * @param keys    one after another, `count` of them; so the values
   * @throws CollectorError  the map is full, or the kernel has no memory; those before are in it
   */
  updateBatch(keys: Uint8Array, values: Uint8Array, count: number): void {
    const done = new Uint8Array(Uint32Array.of(count).buffer);
    checked(
      libbpf.mapUpdateBatch(this.fd, keys, values, done),
      `BPF map ${this.name}: update of ${count}`,
    );
  }

  /** Deletes those of `count` keys that are there. */
  deleteBatch(keys: Uint8Array, count: number): void {
    const keyBytes = keys.byteLength / count;
    for (let from = 0; from < count; from++) {
      const done = new Uint32Array([count - from]);
      const rest = keys.subarray(from * keyBytes);
      const result = libbpf.mapDeleteBatch(this.fd, rest, new Uint8Array(done.buffer));
      if (result >= 0) return;
      if (result !== -ENOENT) checked(result, `BPF map ${this.name}: delete of ${count}`);
      // The one after the last that was deleted is not there.
      from += done[0] as number;
    }
  }
}
