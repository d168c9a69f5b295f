import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { addressOf, grpcTarget } from "./target.ts";

describe("grpcTarget", () => {
  for (const [endpoint, name, needsTls] of [
    ["host:4317", "host:4317", false],
    ["[::1]:4317", "[::1]:4317", false],
    ["http://host:4317", "host:4317", false],
    ["https://host:4317/", "host:4317", true],
    ["dns:///host:4317", "dns:///host:4317", false],
    ["dns://8.8.8.8/host:4317", "dns://8.8.8.8/host:4317", false],
    ["passthrough:///host:4317", "host:4317", false],
    ["unix:///run/collector.sock", "unix:///run/collector.sock", false],
  ] as const) {
    it(`reads ${endpoint}`, () => {
      assert.deepEqual(grpcTarget(endpoint), { name, needsTls });
    });
  }

  for (const [endpoint, address] of [
    ["http://10.0.0.1:4317", "10.0.0.1"],
    ["[::1]:4317", "::1"],
    ["dns:///10.0.0.1:4317", "10.0.0.1"],
    ["10.0.0.1.example:4317", undefined],
  ] as const) {
    it(`finds ${address ?? "no address"} in ${endpoint}`, () => {
      assert.equal(addressOf(grpcTarget(endpoint)), address);
    });
  }

  for (const endpoint of ["host", "", ":4317", "http://host", "http://:4317", "host:name"]) {
    it(`refuses "${endpoint}"`, () => {
      assert.throws(() => grpcTarget(endpoint), /endpoint must end with a port/);
    });
  }
});
