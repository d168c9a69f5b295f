import { encodeFlameProfile } from "../../src/profiles/flamegraph/encoding.ts";
import { flameProfileOf } from "../../src/profiles/flamegraph/from-batch.ts";
import { formatOfContent, formatOfPath } from "../../src/profiles/formats.ts";
import { FILE_LIMITS } from "../../src/support/limits.ts";
import { limitedBytes } from "./limited-bytes.ts";
import type { Answer } from "./protocol.ts";

/** The worker that reads files of other tools, one after the other; see decode-files.ts. */
self.onmessage = async ({ data }: MessageEvent<{ name: string; bytes: Uint8Array }>) => {
  try {
    const answer = await flameBytesOf(data.name, data.bytes);
    self.postMessage({ id: 0, answer } satisfies Answer, { transfer: [answer.buffer] });
  } catch (error) {
    const wrong = error instanceof Error ? error.message : String(error);
    self.postMessage({ id: 0, wrong } satisfies Answer);
  }
};

async function flameBytesOf(name: string, file: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  // Inflated here, and not by the decoder: the browser has no synchronous way.
  const bytes =
    file[0] === 0x1f && file[1] === 0x8b
      ? await limitedBytes(file, "gzip", FILE_LIMITS.inflatedBytesMax)
      : file;
  const format = formatOfPath(name) ?? formatOfContent(bytes);
  if (format === undefined) throw new Error("neither its name nor its content is a known format");
  return encodeFlameProfile(flameProfileOf(format.decode(bytes, FILE_LIMITS), name));
}
