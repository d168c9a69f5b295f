import type { Infer } from "../../config/field.ts";
import { choice, duration, integer, list, section, text } from "../../config/schema.ts";
import { layoutNames } from "./layouts.ts";

const MIB = 1024 * 1024;

const storeConfig = section(
  {
    location: text({
      doc: "A folder, or a URL that begins with http://, https:// or file://.",
      required: true,
    }),
    layout: choice(layoutNames, {
      doc: "How files are named in it by their build ids.",
      default: "build_id",
    }),
    debuginfo: text({
      doc: "A path of your own in place of the layout's, as `{nn}/{rest}/debuginfo`.",
    }),
    executable: text({ doc: "The same for programs and libraries themselves." }),
  },
  { doc: "A place that keeps debug files by build id." },
);

/** Where debug files come from. The names are those of elfutils' environment variables. */
export const debugFilesConfig = section(
  {
    debug_dirs: list(text({ doc: "", required: true }), {
      doc: "Folders of separate debug files, as distributions install them.",
      default: ["/usr/lib/debug"],
    }),
    symbol_stores: list(storeConfig, {
      doc: "Further places that keep debug files by build id, asked in this order.",
    }),
    debuginfod_urls: list(text({ doc: "", required: true }), {
      doc: "Servers that are asked last and in this order. None is asked unless it stands here.",
    }),
    debuginfod_timeout: duration({
      doc: "A server that sends less than 100 KiB in this time is given up.",
      default: "90s",
    }),
    debuginfod_maxtime: duration({
      doc: "For one file from one server, retries included.",
      default: "10m",
    }),
    debuginfod_maxsize: integer({
      doc: "Bytes of the largest file that is fetched.",
      default: 1024 * MIB,
      min: 1,
    }),
    debuginfod_retry_limit: integer({
      doc: "How often a request is sent again to a server that failed.",
      default: 2,
      min: 0,
      max: 10,
    }),
    debuginfod_headers_file: text({
      doc: "A file of `Name: value` lines, sent with each request.",
    }),
    debuginfod_cache_path: text({
      doc: "The cache of elfutils' own client. Files are taken from it, and none is put there.",
    }),
    cache_dir: text({ doc: "The program's cache; unset, the usual place of this user." }),
    cache_size_max: integer({
      doc: "Bytes of all debug files in the cache; what was not used for longest goes first.",
      default: 4096 * MIB,
      min: 0,
    }),
    cache_unused_max: duration({
      doc: "A debug file that nobody asked for in this time is removed from the cache.",
      default: "168h",
    }),
    missing_for: duration({
      doc: "For so long a file that was nowhere is not looked for again.",
      default: "10m",
    }),
  },
  { doc: "Where separate debug files are looked for." },
);

export type DebugFilesConfig = Infer<typeof debugFilesConfig>;
