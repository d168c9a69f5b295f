import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { redacted } from "./redact.ts";
import { any, list, map, object, secret, section, text } from "./schema.ts";

const field = object({
  endpoint: text({ doc: "", default: "" }),
  token: secret({ doc: "" }),
  headers: map(secret({ doc: "" }), { doc: "", alsoPairs: true }),
  other: any({ doc: "" }),
  users: list(
    section({ name: text({ doc: "", default: "" }), key: secret({ doc: "" }) }, { doc: "" }),
    {
      doc: "",
    },
  ),
});

describe("redacted", () => {
  it("hides secrets wherever they stand, and keeps the rest [S14]", () => {
    const value = {
      endpoint: "http://localhost:4040",
      token: "canary",
      headers: { "x-a": "canary", "x-b": 5 },
      users: [{ name: "a", key: "canary" }, { name: "b" }],
    };
    const shown = JSON.parse(JSON.stringify(redacted(field, value)));
    assert.deepEqual(shown, {
      endpoint: "http://localhost:4040",
      token: "[REDACTED]",
      headers: { "x-a": "[REDACTED]", "x-b": "[REDACTED]" },
      users: [{ name: "a", key: "[REDACTED]" }, { name: "b" }],
    });
  });

  it("hides a header that is written as a pair, and what nothing is known of [S14]", () => {
    const value = { headers: [{ name: "x-a", value: "canary" }, "canary"], other: ["canary"] };
    assert.deepEqual(JSON.parse(JSON.stringify(redacted(field, value))), {
      headers: [{ name: "x-a", value: "[REDACTED]" }, "[REDACTED]"],
      other: "[REDACTED]",
    });
  });

  it("hides a password in an address [S14]", () => {
    const shown = redacted(field, { endpoint: "https://me:canary@host:443/path" });
    assert.deepEqual({ ...(shown as object) }, { endpoint: "https://[REDACTED]@host:443/path" });
  });

  it("hides what no field describes, for it may be anything [S14]", () => {
    assert.equal(redacted(undefined, { a: "canary" }), "[REDACTED]");
    const shown = redacted(field, { typo: "canary" });
    assert.deepEqual({ ...(shown as object) }, { typo: "[REDACTED]" });
  });
});
