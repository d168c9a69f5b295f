import { cgroupPath } from "../../linux/proc.ts";
import type { ProcessImage, ProgramIdentity } from "./process-image.ts";

/**
 * The last 64 hex digits that stand alone in a cgroup's path, as every runtime names the cgroup
 * of a container: /docker/ID, /system.slice/docker-ID.scope, /kubepods/…/cri-containerd-ID.scope.
 */
const CONTAINER_ID = /(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/g;

/** The container's id in a cgroup path; "" when it names none. */
export function containerIdIn(path: string): string {
  return path.match(CONTAINER_ID)?.at(-1) ?? "";
}

/** The container of each program, read once, while it runs. */
export class ContainerIds {
  readonly #byProgram = new WeakMap<ProgramIdentity, string>();
  readonly #readPath: (pid: number) => string;

  constructor(readPath: (pid: number) => string = cgroupPath) {
    this.#readPath = readPath;
  }

  /** Reads it when the program is new. One that has ended by then has none: its pid may be new. */
  meet({ program, pid, isKernelThread }: ProcessImage): void {
    if (this.#byProgram.has(program)) return;
    const isOver = program.exitNs !== undefined;
    const path = isOver || isKernelThread ? "" : this.#readPath(pid);
    this.#byProgram.set(program, containerIdIn(path));
  }

  /** "" for a program in no container, or in one that is not known. */
  of(image: ProcessImage): string {
    return this.#byProgram.get(image.program) ?? "";
  }
}
