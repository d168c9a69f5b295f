import type { Answer } from "../worker/protocol.ts";
import type { Source } from "./model.ts";

/** Beside the served page; a file that was saved has none, since it is one file. */
const DECODERS = "decoders.js";

/** Reads files of other tools in a worker of its own, which is loaded now and ended after. */
export async function decodeFiles(files: readonly File[]): Promise<Source[]> {
  if (!location.protocol.startsWith("http")) {
    throw new Error(
      "this page is one file that shows its own profile; open others with obsforge view",
    );
  }
  const worker = new Worker(DECODERS);
  try {
    const sources: Source[] = [];
    for (const file of files) sources.push({ name: file.name, bytes: await decoded(worker, file) });
    return sources;
  } finally {
    worker.terminate();
  }
}

async function decoded(worker: Worker, file: File): Promise<Uint8Array> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  worker.onmessage = ({ data }: MessageEvent<Answer>) => {
    if (data.wrong === undefined) resolve(data.answer as Uint8Array);
    else reject(new Error(`${file.name}: ${data.wrong}`));
  };
  worker.onerror = ({ message }) => reject(new Error(`${file.name}: ${message}`));
  worker.postMessage({ name: file.name, bytes }, [bytes.buffer]);
  return await promise;
}
