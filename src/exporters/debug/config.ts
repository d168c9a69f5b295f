import type { Infer } from "../../config/field.ts";
import { boolean, choice, integer, object, optionalList, text } from "../../config/schema.ts";

export const debugConfig = object({
  verbosity: choice(["basic", "normal", "detailed"], {
    doc: "A line for each batch; for each profile too; or stacks with all that is known.",
    default: "basic",
  }),
  sampling_initial: integer({
    doc: "Batches of a second that are shown before any is left out.",
    default: 2,
    min: 0,
  }),
  sampling_thereafter: integer({
    doc: "After those every so many-th batch of the second is shown; 0 is none.",
    default: 1,
    min: 0,
  }),
  use_internal_logger: boolean({
    doc: "Whether the lines go to the program's own log.",
    default: true,
  }),
  output_paths: optionalList(text({ doc: "A path.", required: true }), {
    doc:
      "Where the lines go in place of the log: `stdout`, `stderr` or a file, which grows. Needs " +
      "`use_internal_logger: false`, and is `stdout` then when it is not given.",
  }),
});

export type DebugConfig = Infer<typeof debugConfig>;
