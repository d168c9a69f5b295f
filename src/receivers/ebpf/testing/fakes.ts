import { NO_DEVICE, type ProcessMapping } from "../../../linux/process-mapping.ts";
import type { ExecutableInfo, Missing } from "../../../symbols/executable-file.ts";
import { ExecutableRegistry } from "../../../symbols/executables.ts";
import type { Symbolizer } from "../../../symbols/symbolizer.ts";
import { MappingSet } from "../mapping-set.ts";
import { type ImageOrigin, TrackedImage } from "../process-image.ts";
import type { RawSample } from "../sample-record.ts";

/** The period of 99 Hz. */
export const PERIOD_NS = 10_101_010;

/** A sample of process 100 with what a test needs of it. */
export function rawSample(
  more: Partial<Omit<RawSample, "user" | "kernel">> & { user?: bigint[]; kernel?: bigint[] } = {},
): RawSample {
  const { user = [0x1000n], kernel = [], ...fields } = more;
  return {
    timeNs: 1000n,
    cpu: 0,
    pid: 100,
    tid: 100,
    cgroupId: 1n,
    kind: 0,
    value: PERIOD_NS,
    result: 0,
    flags: 0,
    threadName: "worker",
    processName: "main",
    userCount: user.length,
    kernelCount: kernel.length,
    ...fields,
    user: halves(user),
    kernel: halves(kernel),
  };
}

function halves(addresses: readonly bigint[]): Uint32Array {
  return new Uint32Array(BigUint64Array.from(addresses).buffer);
}

/** A program with these mappings. */
export function imageWith(
  mappings: readonly ProcessMapping[],
  more: Partial<ImageOrigin> = {},
): TrackedImage {
  const set = new MappingSet();
  for (const mapping of mappings) set.insert(mapping);
  return new TrackedImage({
    pid: 100,
    parentPid: 1,
    startNs: 0n,
    processStartNs: 0n,
    processName: "main",
    executablePath: "/usr/bin/main",
    isKernelThread: false,
    mappings: set,
    isComplete: true,
    ...more,
  });
}

/** A mapping of 64 KiB. */
export function mappingAt(start: bigint, more: Partial<ProcessMapping> = {}): ProcessMapping {
  return {
    start,
    end: start + 0x10000n,
    fileOffset: 0n,
    path: "/usr/bin/main",
    buildId: "",
    device: NO_DEVICE,
    inode: start,
    ...more,
  };
}

/** A registry that has read the file of each mapping, with the given answer. */
export async function registryOf(
  files: readonly (readonly [ProcessMapping, ExecutableInfo | Missing])[],
): Promise<ExecutableRegistry> {
  const answers = files.map(([, info]) => info);
  const identify = async (): Promise<ExecutableInfo | Missing> =>
    answers.shift() ?? { missing: "asked twice" };
  const registry = new ExecutableRegistry({ identify } as unknown as Symbolizer);
  for (const [mapping] of files) {
    registry.meet(mapping, () => ({
      bytes: new Uint8Array(0),
      identity: mapping.path,
      path: mapping.path,
    }));
  }
  await registry.settled();
  return registry;
}
