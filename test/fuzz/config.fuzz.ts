// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the syntax under test
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ConfigEnvironment } from "../../src/config/environment.ts";
import { CONFIG_NESTING_MAX, CONFIG_VALUES_MAX } from "../../src/config/limits.ts";
import { printConfig } from "../../src/config/print.ts";
import { resolveConfig } from "../../src/config/resolve.ts";
import { isCollectorError } from "../../src/support/errors.ts";
import { FUZZ_SECONDS, FUZZ_SEED } from "./fuzzing.ts";
import { mutated, noise, Random } from "./mutate.ts";

const NOISE_BYTES_MAX = 400;
/** Repeats of one piece: what is linear stays far below the time of a case. */
const REPEATS_MAX = 3000;
/** One case must end within this [S4]. */
const CASE_MS_MAX = 1000;

const seeds = [
  "receivers:\n  profiling:\n    samples_per_second: 0x63\nexporters:\n  otlp: {endpoint: '${A}'}\n",
  "a: &x {k: [1, 2.5, .inf]}\nb: *x\nc:\n  <<: *x\n  d: |\n    text\n    $${A}\n",
  'service::pipelines::profiles:\n  receivers: [otlp]\nq: "x${env:B:-d}y\\n"\n? r\n: >-\n  s\n',
  "a: ${file:self}\nb: ${yaml:[1, {c: ${A}}]}\nd: !!str 12\n__proto: ~\n",
].map((text) => new TextEncoder().encode(text));

/** What stalls careless parsers when it stands in great number. */
const pieces = ["[", "{a: ", "- ", "? ", "a:\n ", "${", "${A}", "$", "&a ", "*a ", '"', "\n", "\t"];

describe("fuzz: config", () => {
  it("gives a value or says what is wrong", async (test) => {
    const random = new Random(FUZZ_SEED);
    const end = process.hrtime.bigint() + BigInt(Math.round(FUZZ_SECONDS * 1e9));
    let validCount = 0;
    let count = 0;
    for (; process.hrtime.bigint() < end; count++) {
      const text = new TextDecoder().decode(bytesOf(count, random));
      try {
        if (await judge(text)) validCount++;
      } catch (error) {
        throw new Error(`config: FUZZ_SEED=${FUZZ_SEED}, case ${count}`, { cause: error });
      }
    }
    test.diagnostic(`config: ${count} cases, ${validCount} valid, FUZZ_SEED=${FUZZ_SEED}`);
  });
});

function bytesOf(count: number, random: Random): Uint8Array {
  if (count % 10 === 0) return noise(random, NOISE_BYTES_MAX);
  const bytes = mutated(random.pick(seeds), random.pick(seeds), random);
  if (count % 10 !== 1) return bytes;
  const repeated = random.pick(pieces).repeat(random.below(REPEATS_MAX));
  return Buffer.concat([bytes.subarray(0, random.below(bytes.length)), Buffer.from(repeated)]);
}

/** Whether the text is a configuration. */
async function judge(text: string): Promise<boolean> {
  const environment: ConfigEnvironment = {
    variables: { A: text.slice(0, 50), B: "${A}${A}", C: "[1, '${B}']" },
    readFile: async () => text,
    warn: () => undefined,
  };
  const start = process.hrtime.bigint();
  const config = await resolveConfig({ configs: ["self"], sets: ["a.b=${C}"] }, environment).catch(
    (error: unknown) => {
      if (isCollectorError(error, "CONFIG_INVALID")) return undefined;
      throw error;
    },
  );
  const milliseconds = Number(process.hrtime.bigint() - start) / 1e6;
  assert.ok(milliseconds <= CASE_MS_MAX, `took ${milliseconds} ms`);
  if (!config) return false;
  assert.ok(countValues(config.value, 0) <= CONFIG_VALUES_MAX);
  printConfig(config.value, "yaml");
  return true;
}

function countValues(value: unknown, depth: number): number {
  if (typeof value !== "object" || value === null) return 1;
  assert.ok(depth <= CONFIG_NESTING_MAX);
  assert.ok(Array.isArray(value) || Object.getPrototypeOf(value) === null);
  return Object.values(value).reduce(
    (sum: number, child) => sum + countValues(child, depth + 1),
    1,
  );
}
