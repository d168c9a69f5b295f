import { readOwnVdso } from "../../linux/own-vdso.ts";
import {
  openFileInRoot,
  openTargetFile,
  type TargetFileLookup,
  type TargetProcess,
} from "../../linux/target-file.ts";
import type { Missing } from "../../symbols/executable-file.ts";
import { type IdentifiedSource, VDSO_PATH } from "../../symbols/executables.ts";
import type { ProcessImage, ProcessMapping, ProgramIdentity } from "./process-image.ts";

/**
 * How the file of a mapping is opened: through its process while it runs, else on the host. What
 * opens is kept for as long as the file is known, which is far longer than a process that has
 * ended: it does not keep the process's image.
 */
export function openerOf(
  image: ProcessImage,
  mapping: ProcessMapping,
): () => IdentifiedSource | Missing {
  if (mapping.path === VDSO_PATH) return openVdso;
  const process = new RememberedProcess(image);
  return () => openFile(process, mapping);
}

/** How a file is opened that nobody has mapped yet. */
export function hostOpenerOf(path: string): () => IdentifiedSource | Missing {
  return () => identified(openFileInRoot("/", path), path);
}

/** A process whose program may be forgotten with its images, and then counts as ended. */
class RememberedProcess implements TargetProcess {
  readonly pid: number;
  readonly #program: WeakRef<ProgramIdentity>;

  constructor(image: ProcessImage) {
    this.pid = image.pid;
    this.#program = new WeakRef(image.program);
  }

  get exitNs(): bigint | undefined {
    const program = this.#program.deref();
    return program === undefined ? 0n : program.exitNs;
  }
}

function openFile(process: TargetProcess, mapping: ProcessMapping): IdentifiedSource | Missing {
  const file = openTargetFile(process, mapping);
  const isInRoot = !("missing" in file) && file.via === "process-root";
  return identified(file, mapping.path, isInRoot ? `/proc/${process.pid}/root` : undefined);
}

function identified(
  file: TargetFileLookup,
  path: string,
  root?: string,
): IdentifiedSource | Missing {
  if ("missing" in file) return file;
  const { device, inode, size, mtimeNs } = file;
  const identity = `${device.major}:${device.minor}:${inode} ${size} ${mtimeNs}`;
  return { fd: file.fd, identity, path, root, [Symbol.dispose]: () => file[Symbol.dispose]() };
}

/** It is the same in every process, as long as the kernel runs. */
let vdso: Uint8Array | undefined;

function openVdso(): IdentifiedSource | Missing {
  vdso ??= readOwnVdso();
  const bytes = vdso;
  if (bytes === undefined) return { missing: "this kernel maps no vdso" };
  return { bytes, identity: VDSO_PATH, path: VDSO_PATH };
}
