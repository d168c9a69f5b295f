import { readOwnVdso } from "../../linux/own-vdso.ts";
import { openTargetFile } from "../../linux/target-file.ts";
import type { FileSource, Missing } from "../../symbols/executable-file.ts";
import { VDSO_PATH } from "../../symbols/executables.ts";
import type { ProcessImage, ProcessMapping } from "./process-image.ts";

/** How the file of a mapping is opened: through its process while it runs, else on the host. */
export function openerOf(image: ProcessImage, mapping: ProcessMapping): () => FileSource | Missing {
  if (mapping.path === VDSO_PATH) return openVdso;
  return () => openTargetFile(image, mapping);
}

function openVdso(): FileSource | Missing {
  const bytes = readOwnVdso();
  return bytes === undefined ? { missing: "this kernel maps no vdso" } : { bytes };
}
