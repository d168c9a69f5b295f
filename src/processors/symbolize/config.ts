import type { Infer } from "../../config/field.ts";
import { boolean, choice, integer, object } from "../../config/schema.ts";
import { debugFilesConfig } from "../../symbols/sources/config.ts";

export const symbolizeConfig = object({
  demangle: boolean({
    doc: "Show C++ and Rust names as their language writes them.",
    default: true,
  }),
  lines: boolean({
    doc:
      "Say source files and lines by debug information, of the file or of its debug file. " +
      "It takes some 100 MB of memory.",
    default: false,
  }),
  line_index_size_max: integer({
    doc:
      "With lines, a file whose debug information is asked for again and again gets an index in " +
      "the folder of `debug_files::cache_dir`, unless its .debug_info, its .debug_line or its " +
      "code has more bytes than this. Making one takes some twenty times as much memory for a " +
      "moment; with 0 those that are there are used.",
    default: 8 * 1024 * 1024,
    min: 0,
  }),
  inlines: boolean({
    doc: "With lines, give functions that were put into their callers as frames of their own.",
    default: true,
  }),
  source_maps: boolean({
    doc:
      "Show functions of JavaScript as they were written, by the source maps of their scripts: " +
      "inline, in the file that a script names, or beside it.",
    default: true,
  }),
  addresses: choice(["auto", "file", "process", "file_offset"], {
    doc:
      "What addresses of profiles from other hosts count from: the file's own virtual addresses, " +
      "those of the process, or bytes of the file. `auto` goes by the file's segments.",
    default: "auto",
  }),
  debug_files: debugFilesConfig,
  name_unresolved: boolean({
    doc:
      "Give a frame without a name the text `libfoo.so+0x1234`, so that every tool shows it. " +
      "The mapping keeps its build id and is not said to have functions.",
    default: true,
  }),
});

export type SymbolizeConfig = Infer<typeof symbolizeConfig>;
