import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isCollectorError } from "../support/errors.ts";
import { onlineCpus, parseCpuList } from "./cpus.ts";

describe("parseCpuList", () => {
  for (const { text, cpus } of [
    { text: "0\n", cpus: [0] },
    { text: "0-3\n", cpus: [0, 1, 2, 3] },
    { text: "0-1,4,6-7", cpus: [0, 1, 4, 6, 7] },
    { text: "\n", cpus: [] },
  ]) {
    it(`reads ${JSON.stringify(text)}`, () => assert.deepEqual(parseCpuList(text, "list"), cpus));
  }

  for (const text of ["a", "1-", "3-1", "1,1", "2,1", "0-99999", "0,,1", "-1"]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => parseCpuList(text, "list"),
        (error) => isCollectorError(error, "INPUT_MALFORMED"),
      );
    });
  }

  it("finds the CPU that runs this", () => assert.ok(onlineCpus().length > 0));
});
