import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/**
 * The folder that holds package.json and build/bpf, without a slash at its end. This module is
 * two folders below it in a checkout (src/support) and in the packed program (dist/support).
 */
export function packageRoot(): string {
  return root;
}
