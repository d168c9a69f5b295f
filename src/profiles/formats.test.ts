import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { FILE_LIMITS } from "../support/limits.ts";
import {
  formatNamed,
  formatOfContent,
  formatOfPath,
  profileFormats,
  unknownExtension,
} from "./formats.ts";
import { decodeOtlp } from "./otlp/decode.ts";
import { encodePprof } from "./pprof/encode.ts";
import { genuinePayloads } from "./testing/genuine-payloads.ts";

describe("formats", () => {
  const paths = [
    ["a/cpu.pb.gz", "pprof"],
    ["cpu.pprof", "pprof"],
    ["x.FOLDED", "folded"],
    ["x.collapsed", "folded"],
    ["x.otlp.pb", "otlp"],
    ["x.otlp.json", "otlp-json"],
    ["x.speedscope.json", "speedscope"],
    ["out.perf", "perf-script"],
    ["out.perf.txt", "perf-script"],
    ["x.json", undefined],
    ["x.pb", undefined],
    ["folded", undefined],
  ] as const;
  for (const [path, name] of paths) {
    it(`${path} is ${name}`, () => assert.equal(formatOfPath(path)?.name, name));
  }

  it("recognises everything that it writes", () => {
    for (const { bytes } of genuinePayloads) {
      const batch = decodeOtlp(bytes, FILE_LIMITS);
      for (const { name, encode } of profileFormats) {
        if (encode) assert.equal(formatOfContent(encode(batch))?.name, name);
      }
      assert.equal(formatOfContent(encodePprof(batch, { gzip: false }))?.name, "pprof");
      assert.equal(formatOfContent(bytes)?.name, "otlp");
    }
  });

  it("recognises nothing in nothing and in this file's source", () => {
    assert.equal(formatOfContent(new Uint8Array(0)), undefined);
    assert.equal(formatOfContent(new Uint8Array(1000)), undefined);
    assert.equal(formatOfContent(readFileSync(process.execPath).subarray(0, 4096)), undefined);
  });

  it("says which extensions there are and which is meant", () => {
    const { code, message } = unknownExtension("cpu.json");
    assert.equal(code, "CONFIG_INVALID");
    assert.match(message, /\.pb\.gz.*perhaps \.(speedscope|otlp)\.json/);
    assert.doesNotMatch(unknownExtension("cpu.zip").message, /perhaps/);
    assert.match(unknownExtension("cpu.foldd").message, /perhaps \.folded/);
    assert.doesNotMatch(message, /\.perf/);
  });

  it("says which names there are", () => {
    assert.throws(() => formatNamed("pprof2"), { code: "CONFIG_INVALID", message: /folded/ });
  });
});
