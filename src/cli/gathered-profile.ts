import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { STANDARD_STREAM } from "../support/output.ts";
import { type FlameFormat, SVG_WIDTH, writeFlameGraph } from "./flame-output.ts";
import { pageFile } from "./flame-page.ts";
import { readProfile } from "./profile-file.ts";

/**
 * A recording on its way to a flame graph: a file in a folder of its own, which only this user
 * may open and which goes with this object.
 */
export class GatheredProfile implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "obsforge-record-"));
  /** Where the recording is to be written. */
  readonly path: string = join(this.#folder, "profile.otlp.pb");

  /** Reads what was recorded and writes its flame graph. */
  async writeAs(format: FlameFormat, output: string): Promise<void> {
    const batch = await readProfile(this.path, undefined);
    const title =
      output === STANDARD_STREAM ? "Recording" : output.slice(output.lastIndexOf("/") + 1);
    await writeFlameGraph(batch, { path: output, format, title, width: SVG_WIDTH, invert: false });
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Says that the page is not built before anything is sampled. */
export async function requirePage(format: FlameFormat): Promise<void> {
  if (format === "html") await pageFile("page.js");
}
