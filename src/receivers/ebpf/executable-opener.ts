import { readOwnVdso } from "../../linux/own-vdso.ts";
import { openTargetFile } from "../../linux/target-file.ts";
import type { Missing } from "../../symbols/executable-file.ts";
import { type IdentifiedSource, VDSO_PATH } from "../../symbols/executables.ts";
import type { ProcessImage, ProcessMapping } from "./process-image.ts";

/** How the file of a mapping is opened: through its process while it runs, else on the host. */
export function openerOf(
  image: ProcessImage,
  mapping: ProcessMapping,
): () => IdentifiedSource | Missing {
  return mapping.path === VDSO_PATH ? openVdso : () => openFile(image, mapping);
}

function openFile(image: ProcessImage, mapping: ProcessMapping): IdentifiedSource | Missing {
  const file = openTargetFile(image, mapping);
  if ("missing" in file) return file;
  const { device, inode, size, mtimeNs } = file;
  // The path is there for people who read a log.
  const identity = `${mapping.path} (${device.major}:${device.minor}:${inode} ${size} ${mtimeNs})`;
  return { fd: file.fd, identity, [Symbol.dispose]: () => file[Symbol.dispose]() };
}

function openVdso(): IdentifiedSource | Missing {
  const bytes = readOwnVdso();
  if (bytes === undefined) return { missing: "this kernel maps no vdso" };
  return { bytes, identity: VDSO_PATH };
}
