import type { FlameProfile } from "../../src/profiles/flamegraph/columns.ts";
import { comparedProfiles } from "../../src/profiles/flamegraph/compare.ts";
import { decodeFlameProfile, isFlameProfile } from "../../src/profiles/flamegraph/encoding.ts";
import { Engine } from "./engine.ts";
import { limitedBytes } from "./limited-bytes.ts";
import type { Answer, Question, Questions } from "./protocol.ts";

/** The worker that holds the profile. Its whole face is protocol.ts. */
const engine = new Engine();

/**
 * Uncompressed bytes of one profile that are read; 1M nodes take 40 MB. Deflate makes a thousand
 * bytes of one, so what is embedded in a file cannot say how much it becomes.
 */
const PROFILE_BYTES_MAX = 2 ** 31 - 1;

/** Questions are answered one after the other, since opening waits for what it inflates. */
let answered: Promise<void> = Promise.resolve();

self.onmessage = ({ data }: MessageEvent<Question>) => {
  answered = answered.then(() => answer(data));
};

async function answer(question: Question): Promise<void> {
  const { id } = question;
  try {
    self.postMessage({ id, answer: await answerTo(question) } satisfies Answer);
  } catch (error) {
    const wrong = error instanceof Error ? error.message : String(error);
    self.postMessage({ id, wrong } satisfies Answer);
  }
}

async function answerTo({ name, ask }: Question): Promise<unknown> {
  switch (name) {
    case "open":
      return await open(ask as Questions["open"]["ask"]);
    case "build":
      return engine.build(ask as Questions["build"]["ask"]);
    case "search":
      return engine.search((ask as Questions["search"]["ask"]).text);
    case "top":
      return engine.top();
    case "export":
      return await engine.export(ask as Questions["export"]["ask"]);
  }
}

async function open({ files }: Questions["open"]["ask"]): Promise<unknown> {
  const profiles: FlameProfile[] = [];
  for (const bytes of files) {
    const plain = isFlameProfile(bytes)
      ? bytes
      : await limitedBytes(bytes, "deflate-raw", PROFILE_BYTES_MAX);
    profiles.push(decodeFlameProfile(plain));
  }
  const [first, second] = profiles;
  if (first === undefined) throw new Error("there is no profile in it");
  return engine.open(second === undefined ? first : comparedProfiles(first, second));
}
