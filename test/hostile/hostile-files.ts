import { codeFiles } from "./code-files.ts";
import type { ElfImage } from "./elf-image.ts";
import { frameFiles } from "./frame-files.ts";
import { goFiles } from "./go-files.ts";
import { headerFiles } from "./header-files.ts";
import { symbolFiles } from "./symbol-files.ts";

/** An executable that Linux runs, and that a reader of symbols or unwind tables may fall over. */
export interface HostileFile {
  /** What is wrong with it. */
  readonly name: string;
  /** The program sleeps and works for `seconds`, and exits with 0. */
  image(seconds: number): ElfImage;
}

/** All of them; those of 100 MB and more are mostly holes. */
export const hostileFiles: readonly HostileFile[] = [
  ...headerFiles,
  ...symbolFiles,
  ...frameFiles,
  ...codeFiles,
  ...goFiles,
];
