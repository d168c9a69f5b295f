import { writeOutput } from "../support/output.ts";
import { encodableFormat, readProfile } from "./profile-file.ts";

export interface ConvertOptions {
  readonly input: string;
  readonly output: string;
  /** Format names that overrule extension and content. */
  readonly from?: string;
  readonly to?: string;
}

/** Reads a profile in one format and writes it in another. Returns the exit code. */
export async function runConvert(options: ConvertOptions): Promise<number> {
  // The output's format first: a typing error there should not cost the reading of a large file.
  const format = encodableFormat(options.output, options.to);
  const batch = await readProfile(options.input, options.from);
  await writeOutput(options.output, format.encode(batch));
  return 0;
}
