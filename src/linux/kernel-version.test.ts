import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isCollectorError } from "../support/errors.ts";
import { assertSafeKernel } from "./kernel-version.ts";

const DEBIAN_FIXED = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.55-1 (2023-09-29)";
const DEBIAN_HANGING = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.27-1 (2023-05-08)";

const cases = [
  { release: "5.14.21", refused: /too old/ },
  { release: "4.19.0-26-amd64", refused: /too old/ },
  { release: "5.15.0-91-generic" },
  { release: "5.18.19" },
  { release: "5.19.0", refused: /6\.1\.36/ },
  { release: "6.0.12", refused: /6\.1\.36/ },
  { release: "6.1.35", refused: /6\.1\.36/ },
  { release: "6.1.36" },
  { release: "6.1.0-13-amd64", version: DEBIAN_FIXED },
  { release: "6.1.0-9-amd64", version: DEBIAN_HANGING, refused: /6\.1\.27/ },
  {
    release: "6.2.0-39-generic",
    signature: "Ubuntu 6.2.0-39.40-generic 6.2.16",
    refused: /6\.2\.16/,
  },
  { release: "6.1.0-1020-oem", signature: "Ubuntu 6.1.0-1020.20-oem 6.1.54\n" },
  { release: "6.2.16", refused: /6\.3\.10/ },
  { release: "6.3.9", refused: /6\.3\.10/ },
  { release: "6.3.10" },
  { release: "6.18.44" },
  { release: "6.2.16", arch: "arm64" },
  { release: "7.0-rc1" },
  { release: "what" },
];

describe("assertSafeKernel", () => {
  for (const { release, version = "#1 SMP", signature = "", arch = "x64", refused } of cases) {
    it(`${refused === undefined ? "accepts" : "refuses"} ${release} on ${arch}, ${version}`, () => {
      const check = (): void => assertSafeKernel({ release, version, signature, arch });
      if (refused === undefined) return check();
      assert.throws(check, (error) => {
        assert.ok(isCollectorError(error, "UNSUPPORTED"));
        assert.match(error.message, refused);
        return true;
      });
    });
  }
});
