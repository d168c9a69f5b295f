import type { Infer } from "../../config/field.ts";
import { choice, object, text } from "../../config/schema.ts";

export const singleFileConfig = object({
  path: text({ doc: "The file to write; `-` is standard output.", required: true }),
  format: choice(["pprof", "otlp", "otlp-json", "folded", "speedscope"], {
    doc: "How the profile is written.",
    default: "pprof",
  }),
});

export type SingleFileConfig = Infer<typeof singleFileConfig>;
