import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isLoopback, listenAddress } from "./listen-address.ts";

describe("listenAddress", () => {
  for (const [endpoint, host, port, loopback] of [
    ["localhost:4317", "localhost", 4317, true],
    ["127.0.0.2:0", "127.0.0.2", 0, true],
    ["[::1]:4317", "::1", 4317, true],
    ["0.0.0.0:4317", "0.0.0.0", 4317, false],
    ["[::]:4317", "::", 4317, false],
    [":4317", undefined, 4317, false],
    ["127.example:4317", "127.example", 4317, false],
  ] as const) {
    it(`reads ${endpoint}`, () => {
      const address = listenAddress(endpoint, "endpoint");
      assert.deepEqual(address, { host, port });
      assert.equal(isLoopback(address), loopback);
    });
  }

  for (const endpoint of ["", "localhost", "http://localhost:4318", "::1:4317", "host:70000"]) {
    it(`refuses "${endpoint}"`, () => {
      assert.throws(() => listenAddress(endpoint, "http::endpoint"), /http::endpoint must be host/);
    });
  }
});
