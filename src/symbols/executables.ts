import {
  type ExecutableFile,
  type ExecutableInfo,
  type FileSource,
  isMissing,
  type Missing,
} from "./executable-file.ts";
import type { Symbolizer } from "./symbolizer.ts";

/** Files that are held open; beyond it the one met first is opened again when it is needed. */
const HELD_MAX = 256;
/** Files that are known at once; beyond it the one met first is forgotten. */
const EXECUTABLES_MAX = 16_384;
/**
 * Batches for which a file is known after it was in one: twenty minutes at the usual pace. A host
 * that builds or deploys all day else fills its memory with files that will never run again.
 */
const UNUSED_BATCHES_MAX = 120;
/** Batches between two looks at what is not used any more. */
const LOOK_BATCHES = 16;

/** A file as a mapping of a process shows it. */
export interface MappedFile {
  readonly path: string;
  /** Lower-case hex; "" when it is not known. */
  readonly buildId: string;
}

/** A file as a profile names it. */
export interface ProfiledFile {
  readonly path: string;
  readonly buildId: string;
  readonly htlhash: string;
}

/** A file that was read. */
export interface IdentifiedFile {
  readonly file: ExecutableFile;
  readonly info: ExecutableInfo;
}

/** An open file. */
export type IdentifiedSource = FileSource & {
  /** What tells it from every other, whatever its paths: device, inode, size, time of change. */
  readonly identity: string;
  /** One of its paths, for people who read a log, and for links that are relative to it. */
  readonly path: string;
  /** The folder that is `/` for the path: `/proc/PID/root`; absent for this host. */
  readonly root?: string | undefined;
};

/**
 * The files with code that receivers have met: the receiver knows the process through which a
 * file can be opened, the symbolizer knows only what a profile says of it. Each file is
 * identified once, when it is met first, because its process may be short-lived, and stays open
 * until its names were asked for.
 *
 * Files are told apart by their inode, not by the build id that they claim: any program can
 * claim that of the C library, and would else give its names to everybody.
 */
export class ExecutableRegistry {
  readonly #symbolizer: Symbolizer;
  /** A mapping is one object for as long as its process has it. */
  readonly #byMapping = new WeakMap<MappedFile, Executable | Missing>();
  readonly #byIdentity = new Map<string, Executable>();
  readonly #byProfile = new Map<string, Executable>();
  /** Why files were not read, by path: only a reason, so another file of that path does no harm. */
  readonly #unread = new Map<string, Missing>();
  readonly #unsettled = new Set<Promise<void>>();
  /** Open files, in the order in which they were met, and in which turn that was. */
  readonly #held = new Map<Executable, number>();
  #turn = 0;
  /** Who asks for names, and how many turns each has had. Files stay open while there is one. */
  readonly #users = new Map<symbol, number>();

  constructor(symbolizer: Symbolizer) {
    this.#symbolizer = symbolizer;
  }

  /** Notes a file of a running process, and has it read when it is new. */
  meet(file: MappedFile, open: () => IdentifiedSource | Missing): void {
    if (this.#byMapping.has(file)) return;
    const source = open();
    if (isMissing(source)) {
      this.#byMapping.set(file, source);
      return;
    }
    const known = this.#byIdentity.get(source.identity);
    if (known === undefined) {
      const executable = new Executable(file.buildId, source, open);
      executable.usedInTurn = this.#turn;
      this.#byMapping.set(file, executable);
      this.#byIdentity.set(source.identity, executable);
      forgetOldest(this.#byIdentity);
      this.#read(executable);
      return;
    }
    closeSource(source);
    known.usedInTurn = this.#turn;
    known.reopen = open;
    known.root = source.root;
    this.#byMapping.set(file, known);
  }

  /** The file of a mapping that was met, as soon as it has been read. Never rejects. */
  async identified(file: MappedFile): Promise<IdentifiedFile | Missing> {
    const executable = this.#byMapping.get(file) ?? NOT_MET;
    if (isMissing(executable)) return executable;
    await executable.reading;
    const { info } = executable;
    return isMissing(info) ? info : { file: executable, info };
  }

  /** What is known of a mapping's file. Complete after `settled`. */
  infoOf(file: MappedFile): ExecutableInfo | Missing {
    const executable = this.#byMapping.get(file) ?? NOT_MET;
    if (isMissing(executable)) return executable;
    const { info } = executable;
    if (isMissing(info)) {
      this.#unread.set(file.path, info);
      forgetOldest(this.#unread);
      return info;
    }
    if (file.buildId !== "" && file.buildId !== info.buildId) return OTHER_BUILD;
    executable.usedInTurn = this.#turn;
    // It was forgotten, if its process was not sampled for long.
    this.#byIdentity.getOrInsert(executable.identity, executable);
    this.#byProfile.set(profileKey({ ...info, path: file.path }), executable);
    // A profile that went through pprof has the build id alone.
    const { path } = file;
    const { buildId } = info;
    if (buildId !== "") this.#byProfile.set(profileKey({ path, buildId, htlhash: "" }), executable);
    forgetOldest(this.#byProfile);
    return info;
  }

  /** The file that a profile speaks of, if it was met here. Never one of another build. */
  find(file: ProfiledFile): ExecutableFile | Missing {
    const found = this.#byProfile.get(profileKey(file));
    if (found === undefined) return this.#unread.get(file.path) ?? NOT_MET;
    found.usedInTurn = this.#turn;
    return found;
  }

  /** Resolves when every file that was met has been read. Never rejects. */
  async settled(): Promise<void> {
    while (this.#unsettled.size > 0) await Promise.all(this.#unsettled);
  }

  /** Keeps files open from now on, until `user` and all others have named the batch of each. */
  addUser(user: symbol): void {
    if (!this.#users.has(user)) this.#users.set(user, this.#turn);
  }

  /** `user` has named one more batch. When all have, the turn is over. */
  batchNamed(user: symbol): void {
    const turns = this.#users.get(user);
    if (turns === undefined) return;
    this.#users.set(user, turns + 1);
    this.#catchUp();
  }

  /** `user` names no more batches; after the last one every file is closed. */
  removeUser(user: symbol): void {
    if (!this.#users.delete(user)) return;
    if (this.#users.size === 0) this[Symbol.dispose]();
    else this.#catchUp();
  }

  #catchUp(): void {
    const slowest = Math.min(...this.#users.values());
    while (this.#turn < slowest) this.#nextTurn();
  }

  /**
   * Closes the files that were met before the last turn: those that were met while the batch was
   * on its way belong to the next one. Forgets what has been in no batch for long.
   */
  #nextTurn(): void {
    for (const [executable, turn] of this.#held) {
      if (turn < this.#turn) this.#release(executable);
    }
    this.#turn++;
    if (this.#turn % LOOK_BATCHES === 0) this.#forgetUnused();
  }

  /** How many files are open, for a test. */
  get heldCount(): number {
    return this.#held.size;
  }

  /** How many files are known, for a test. */
  get size(): number {
    return this.#byIdentity.size;
  }

  /** Closes every file. */
  [Symbol.dispose](): void {
    for (const executable of this.#held.keys()) this.#release(executable);
  }

  #forgetUnused(): void {
    const oldestTurn = this.#turn - UNUSED_BATCHES_MAX;
    for (const map of [this.#byIdentity, this.#byProfile]) {
      for (const [key, executable] of map) {
        if (executable.usedInTurn >= oldestTurn) continue;
        map.delete(key);
        this.#symbolizer.forget(executable);
      }
    }
  }

  #read(executable: Executable): void {
    this.#held.set(executable, this.#turn);
    for (const oldest of this.#held.keys()) {
      if (this.#held.size <= HELD_MAX) break;
      this.#release(oldest);
    }
    const reading = this.#symbolizer.identify(executable).then((info) => {
      executable.info = info;
      if (this.#users.size === 0 || isMissing(info)) this.#release(executable);
      this.#unsettled.delete(reading);
    });
    executable.reading = reading;
    this.#unsettled.add(reading);
  }

  #release(executable: Executable): void {
    this.#held.delete(executable);
    executable.release();
  }
}

/** One file, open from the moment it was met until it is released. */
class Executable implements ExecutableFile {
  readonly identity: string;
  readonly key: string;
  readonly buildId: string;
  readonly path: string;
  root: string | undefined;
  /** Through the process that was met last: it lives longest. */
  reopen: () => IdentifiedSource | Missing;
  info: ExecutableInfo | Missing = NOT_READ;
  /** Settles when `info` is there. */
  reading: Promise<void> | undefined;
  /** When it was last met or in a batch. */
  usedInTurn = 0;
  #held: HeldSource | undefined;

  constructor(buildId: string, first: IdentifiedSource, reopen: () => IdentifiedSource | Missing) {
    this.identity = first.identity;
    this.key = `${first.path} (${first.identity})`;
    this.path = first.path;
    this.root = first.root;
    this.buildId = buildId;
    this.#held = new HeldSource(first);
    this.reopen = reopen;
  }

  /** The file that was met, or again the same one. */
  open(): FileSource | Missing {
    if (this.#held !== undefined) return this.#held.lend();
    const again = this.reopen();
    if (isMissing(again) || again.identity === this.identity) return again;
    closeSource(again);
    return { missing: "another file has its place now" };
  }

  /** Closes the file that was met, as soon as nobody reads it. */
  release(): void {
    this.#held?.[Symbol.dispose]();
    this.#held = undefined;
  }
}

/** A source that is closed when its owner and everybody whom it was lent to are done with it. */
class HeldSource implements Disposable {
  readonly #source: FileSource;
  /** The owner, and each loan that is open. */
  #users = 1;

  constructor(source: FileSource) {
    this.#source = source;
  }

  lend(): FileSource {
    if (!("fd" in this.#source)) return this.#source;
    this.#users++;
    let isOpen = true;
    return {
      fd: this.#source.fd,
      [Symbol.dispose]: () => {
        if (isOpen) this[Symbol.dispose]();
        isOpen = false;
      },
    };
  }

  [Symbol.dispose](): void {
    if (--this.#users === 0) closeSource(this.#source);
  }
}

const NOT_READ: Missing = { missing: "not read yet" };
const NOT_MET: Missing = { missing: "no process that has it mapped was seen" };
const OTHER_BUILD: Missing = {
  missing: "the file has another build id than what is mapped",
  kind: "other_build",
};

function profileKey({ path, buildId, htlhash }: ProfiledFile): string {
  return `${path}\0${buildId}\0${htlhash}`;
}

function closeSource(source: FileSource): void {
  if ("fd" in source) source[Symbol.dispose]();
}

/** The name of the code that the kernel maps into every process. */
export const VDSO_PATH = "[vdso]";

function forgetOldest(map: Map<string, unknown>): void {
  for (const oldest of map.keys()) {
    if (map.size <= EXECUTABLES_MAX) return;
    map.delete(oldest);
  }
}
