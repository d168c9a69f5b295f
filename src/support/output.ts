import { once } from "node:events";
import { writeFileAtomically } from "./atomic-file.ts";
import { callingUser } from "./calling-user.ts";

/** The name that means standard input or standard output. */
export const STANDARD_STREAM = "-";

/**
 * Writes bytes to a file, whole or not at all, or to standard output for `-`. A new file is that
 * of the user who called sudo. A reader of the pipe that went away (`| head`) is not an error.
 */
export async function writeOutput(path: string, bytes: Uint8Array): Promise<void> {
  if (path !== STANDARD_STREAM) return writeFileAtomically(path, bytes, callingUser());
  try {
    if (!process.stdout.write(bytes)) await once(process.stdout, "drain");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
  }
}
