import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { check, codeSource } from "../config/check.ts";
import { object } from "../config/schema.ts";
import { deliveryFields, httpClientFields } from "./client-config.ts";

const schema = object({ ...httpClientFields("30s"), ...deliveryFields });

function messages(value: object): { faults: string[]; warnings: string[] } {
  const { faults, warnings } = check({ field: schema, value, path: [], source: codeSource });
  return {
    faults: faults.map(({ message }) => message),
    warnings: warnings.map(({ message }) => message),
  };
}

const NOTHING = { faults: [], warnings: [] };

describe("the options of a client", () => {
  it("have the Collector's defaults", () => {
    const { config } = check({ field: schema, value: {}, path: [], source: codeSource });
    assert.ok(config !== undefined);
    const { timeout, compression, idle_conn_timeout, sending_queue, retry_on_failure } = config;
    assert.deepEqual([timeout, compression, idle_conn_timeout], [30_000, "gzip", 90_000]);
    assert.deepEqual([sending_queue.queue_size, sending_queue.num_consumers], [1000, 10]);
    assert.deepEqual([retry_on_failure.initial_interval, retry_on_failure.multiplier], [5000, 1.5]);
  });

  for (const { name, value } of [
    { name: "nothing in its sections", value: { sending_queue: null, retry_on_failure: null } },
    {
      name: "the usual queue",
      value: {
        sending_queue: { enabled: true, queue_size: 1000, num_consumers: 10 },
        retry_on_failure: { enabled: true, initial_interval: "5s", max_elapsed_time: "300s" },
      },
    },
    {
      name: "neither queue nor retries",
      value: { sending_queue: { enabled: false }, retry_on_failure: { enabled: false } },
    },
    { name: "a token and an authority", value: { headers: { a: "b" }, tls: { ca_file: "x" } } },
  ]) {
    it(`are taken without a word with ${name}`, () => {
      assert.deepEqual(messages(value), NOTHING);
    });
  }

  for (const { value, says } of [
    { value: { sending_queue: { queue_size: 5000 } }, says: /queue_size has no effect: .*queue/ },
    { value: { sending_queue: { batch: {} } }, says: /sending_queue::batch has no effect/ },
    {
      value: { retry_on_failure: { max_elapsed_time: "1h" } },
      says: /max_elapsed_time has no effect: a failed batch is counted and not sent again yet/,
    },
    { value: { http2_ping_timeout: "5s" }, says: /has no effect: requests are sent by HTTP\/1.1/ },
    { value: { tls: { reload_interval: "1h" } }, says: /tls::reload_interval has no effect/ },
    { value: { cookies: { enabled: true } }, says: /cookies::enabled has no effect/ },
  ]) {
    it(`warn of ${JSON.stringify(value)}`, () => {
      const { faults, warnings } = messages(value);
      assert.deepEqual(faults, []);
      assert.equal(warnings.length, 1);
      assert.match(warnings[0] ?? "", says);
    });
  }

  for (const { value, says } of [
    { value: { auth: { authenticator: "basicauth" } }, says: /^auth cannot be honoured: / },
    { value: { proxy_url: "http://proxy" }, says: /^proxy_url cannot be honoured: / },
    { value: { sending_queue: { storage: "file" } }, says: /storage cannot be honoured: .* disk/ },
    { value: { tls: { cipher_suites: ["X"] } }, says: /^tls::cipher_suites cannot be honoured/ },
    { value: { compression: "lz4" }, says: /^compression must be one of .*, not "lz4"$/ },
    { value: { tls: { min_version: "1.4" } }, says: /^tls::min_version must be one of / },
    { value: { tls: { ca: "x" } }, says: /^tls::ca is no known key/ },
    { value: { compression_params: { level: 99 } }, says: /level must be .* from -1 to 22/ },
  ]) {
    it(`refuse ${JSON.stringify(value)}`, () => {
      assert.match(messages(value).faults[0] ?? "", says);
    });
  }
});
