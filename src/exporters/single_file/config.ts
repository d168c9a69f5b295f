import type { EncodableFormat } from "../../profiles/formats.ts";

/** Options of the `single_file` exporter. */
export interface SingleFileConfig {
  /** The file to write; `-` is standard output. */
  readonly path: string;
  readonly format: EncodableFormat;
}
