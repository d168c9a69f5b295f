import {
  type ExecutableFile,
  type ExecutableInfo,
  type FileSource,
  isMissing,
  type Missing,
} from "./executable-file.ts";
import type { Symbolizer } from "./symbolizer.ts";

/** Files that are known at once; beyond it the one met first is forgotten. */
const EXECUTABLES_MAX = 16_384;

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

/** An open file with what tells it from every other: device, inode, size, time of change. */
export type IdentifiedSource = FileSource & { readonly identity: string };

/**
 * The files with code that receivers have met: the receiver knows the process through which a
 * file can be opened, the symbolizer knows only what a profile says of it. Each file is read
 * once, when it is met first, because its process may be short-lived.
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
  /** Set by who will want names: symbols are then read together with the identity. */
  loadSymbols = false;

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
      this.#byMapping.set(file, executable);
      this.#byIdentity.set(source.identity, executable);
      forgetOldest(this.#byIdentity);
      this.#read(executable);
      return;
    }
    closeSource(source);
    this.#byMapping.set(file, known);
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
    return this.#byProfile.get(profileKey(file)) ?? this.#unread.get(file.path) ?? NOT_MET;
  }

  /** Resolves when every file that was met has been read. Never rejects. */
  async settled(): Promise<void> {
    while (this.#unsettled.size > 0) await Promise.all(this.#unsettled);
  }

  #read(executable: Executable): void {
    const reading = this.#symbolizer.identify(executable, this.loadSymbols).then((info) => {
      executable.info = info;
      executable.closeFirst();
      this.#unsettled.delete(reading);
    });
    this.#unsettled.add(reading);
  }
}

/** One file. It is open from the moment it was met until it has been read. */
class Executable implements ExecutableFile {
  readonly key: string;
  readonly buildId: string;
  info: ExecutableInfo | Missing = NOT_READ;
  readonly #reopen: () => IdentifiedSource | Missing;
  #first: IdentifiedSource | undefined;

  constructor(buildId: string, first: IdentifiedSource, reopen: () => IdentifiedSource | Missing) {
    this.key = first.identity;
    this.buildId = buildId;
    this.#first = first;
    this.#reopen = reopen;
  }

  /** The file that was met, or again the same one. */
  open(): FileSource | Missing {
    const first = this.#first;
    this.#first = undefined;
    if (first !== undefined) return first;
    const again = this.#reopen();
    if (isMissing(again) || again.identity === this.key) return again;
    closeSource(again);
    return { missing: "another file has its place now" };
  }

  /** Closes the file if nobody asked for it. */
  closeFirst(): void {
    if (this.#first !== undefined) closeSource(this.#first);
    this.#first = undefined;
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
