import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { silentLogger } from "../support/logger.ts";
import { type SharedKey, SharedServices } from "./shared-services.ts";

class Service implements AsyncDisposable {
  readonly #end: () => Promise<void>;

  constructor(end: () => Promise<void>) {
    this.#end = end;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }
}

function keyOf(name: string, log: string[]): SharedKey<Service> {
  return {
    name,
    create: () => {
      log.push(`make ${name}`);
      return new Service(async () => {
        log.push(`end ${name}`);
      });
    },
  };
}

describe("SharedServices", () => {
  it("makes each once, when it is first asked for, and ends them newest first", async () => {
    const log: string[] = [];
    const [first, second, unused] = ["first", "second", "unused"].map((name) => keyOf(name, log));
    assert.ok(first && second && unused);
    {
      await using shared = new SharedServices(silentLogger);
      assert.equal(shared.get(first), shared.get(first));
      assert.notEqual(shared.get(first), shared.get(second));
    }
    assert.deepEqual(log, ["make first", "make second", "end second", "end first"]);
  });

  it("tells keys apart that have the same name", () => {
    const shared = new SharedServices(silentLogger);
    assert.notEqual(shared.get(keyOf("same", [])), shared.get(keyOf("same", [])));
  });

  it("ends each once", async () => {
    const log: string[] = [];
    const shared = new SharedServices(silentLogger);
    shared.get(keyOf("only", log));
    await shared[Symbol.asyncDispose]();
    await shared[Symbol.asyncDispose]();
    assert.deepEqual(log, ["make only", "end only"]);
  });

  it("ends the others when one cannot end", async () => {
    const log: string[] = [];
    const shared = new SharedServices(silentLogger);
    shared.get(keyOf("older", log));
    shared.get({
      name: "broken",
      create: () => new Service(() => Promise.reject(new Error("no"))),
    });
    await assert.rejects(shared[Symbol.asyncDispose](), /no/);
    assert.deepEqual(log, ["make older", "end older"]);
  });
});
