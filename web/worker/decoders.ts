import { encodeFlameProfile } from "../../src/profiles/flamegraph/encoding.ts";
import type { Answer } from "./protocol.ts";

/** The worker that reads one file after the other; see decode-files.ts. */
self.onmessage = async ({ data }: MessageEvent<{ name: string; bytes: Uint8Array }>) => {
  void data;
  void encodeFlameProfile;
  self.postMessage({ id: 0, wrong: "not yet" } satisfies Answer);
};
