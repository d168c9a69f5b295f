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
  readonly device: { readonly major: number; readonly minor: number };
  readonly inode: bigint;
}

/** A file as a profile names it. */
export interface ProfiledFile {
  readonly path: string;
  readonly buildId: string;
  readonly htlhash: string;
}

/**
 * The files with code that receivers have met, by what identifies them: the receiver knows the
 * process through which a file can be opened, the symbolizer knows only what a profile says of
 * it. Each file is read once, when it is met first, because its process may be short-lived.
 */
export class ExecutableRegistry {
  readonly #symbolizer: Symbolizer;
  readonly #byMapping = new Map<string, Executable>();
  readonly #byBuildId = new Map<string, Executable>();
  readonly #byHash = new Map<string, Executable>();
  /** Why files were not read, by path: only a reason, so another file of that path does no harm. */
  readonly #unread = new Map<string, Missing>();
  readonly #unsettled = new Set<Promise<void>>();
  /** Set by who will want names: symbols are then read together with the identity. */
  loadSymbols = false;

  constructor(symbolizer: Symbolizer) {
    this.#symbolizer = symbolizer;
  }

  /** Notes a file of a running process, and has it read when it is new. */
  meet(file: MappedFile, open: () => FileSource | Missing): void {
    const key = mappingKey(file);
    if (key === undefined || this.#byMapping.has(key)) return;
    const known = file.buildId === "" ? undefined : this.#byBuildId.get(file.buildId);
    const executable = known ?? { key, buildId: file.buildId, open, info: NOT_READ };
    this.#byMapping.set(key, executable);
    forgetOldest(this.#byMapping);
    if (known === undefined) this.#read(executable, file.path);
  }

  /** What is known of a mapping's file. Complete after `settled`. */
  infoOf(file: MappedFile): ExecutableInfo | Missing {
    const key = mappingKey(file);
    return (key === undefined ? undefined : this.#byMapping.get(key)?.info) ?? NOT_MET;
  }

  /** The file that a profile speaks of, if it was met here. Never one of another build. */
  find(file: ProfiledFile): ExecutableFile | Missing {
    const found =
      (file.buildId === "" ? undefined : this.#byBuildId.get(file.buildId)) ??
      (file.htlhash === "" ? undefined : this.#byHash.get(file.htlhash));
    return found ?? this.#unread.get(file.path) ?? NOT_MET;
  }

  /** Resolves when every file that was met has been read. Never rejects. */
  async settled(): Promise<void> {
    while (this.#unsettled.size > 0) await Promise.all(this.#unsettled);
  }

  #read(executable: Executable, path: string): void {
    const reading = this.#symbolizer.identify(executable, this.loadSymbols).then((info) => {
      executable.info = info;
      this.#unsettled.delete(reading);
      if (isMissing(info)) {
        this.#unread.set(path, info);
        forgetOldest(this.#unread);
        return;
      }
      if (info.buildId !== "") this.#byBuildId.set(info.buildId, executable);
      this.#byHash.set(info.htlhash, executable);
      forgetOldest(this.#byBuildId);
      forgetOldest(this.#byHash);
    });
    this.#unsettled.add(reading);
  }
}

interface Executable extends ExecutableFile {
  info: ExecutableInfo | Missing;
}

const NOT_READ: Missing = { missing: "not read yet" };
const NOT_MET: Missing = { missing: "no process that has it mapped was seen" };

/** What identifies a mapping's file; undefined for memory without a file. */
function mappingKey({ path, buildId, device, inode }: MappedFile): string | undefined {
  if (path === VDSO_PATH) return path;
  if (buildId !== "") return `build id ${buildId}`;
  if (inode === 0n) return undefined;
  return `${path} (inode ${device.major}:${device.minor}:${inode})`;
}

/** The name of the code that the kernel maps into every process. */
export const VDSO_PATH = "[vdso]";

function forgetOldest(map: Map<string, unknown>): void {
  for (const oldest of map.keys()) {
    if (map.size <= EXECUTABLES_MAX) return;
    map.delete(oldest);
  }
}
