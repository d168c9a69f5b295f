import { describe, it } from "node:test";
import { formatNamed } from "../../src/profiles/formats.ts";
import { fuzzTextFormat } from "./text-fuzzing.ts";

const texts = [
  "main;work::leaf(int, char) 12\nmain;[unknown] 3\nmain;read;vfs_read_[k] 4\n",
  "swapper;cpu_idle_[k] 9007199254740990\n_[k] 1\na;;b -1\nö;日本 2\r\n",
];

describe("fuzz: folded", () => {
  it("reads what it wrote, or refuses the input", (test) => {
    fuzzTextFormat(formatNamed("folded"), texts, (text) => test.diagnostic(text));
  });
});
