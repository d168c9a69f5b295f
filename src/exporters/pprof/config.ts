import type { Infer } from "../../config/field.ts";
import { duration, integer, object, text } from "../../config/schema.ts";

export const pprofConfig = object({
  directory: text({
    doc: "Where the files are put, relative to the working directory; made when it is not there.",
    default: "profiles",
  }),
  file_name: text({
    doc:
      "Name of a file. `{time}` is the batch's beginning in UTC as 20261124T233540Z, `{host}` " +
      "this machine's name, `{type}` the sample types, `{sequence}` a number that grows. " +
      "`{time}` or `{sequence}` must be in it, and nothing that leads to another folder.",
    default: "{host}-{time}.pb.gz",
  }),
  max_age: duration({
    doc: "Own files older than this are removed; `0s` keeps them for ever.",
    default: "24h",
  }),
  max_megabytes: integer({
    doc: "When own files are larger together, the oldest are removed; 0 is no limit.",
    default: 1024,
    min: 0,
    unit: "MiB",
  }),
});

export type PprofConfig = Infer<typeof pprofConfig>;
