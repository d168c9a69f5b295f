import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isCollectorError } from "../support/errors.ts";
import { ClientSession } from "./session.ts";

class FakeClient {
  closeCount = 0;

  close(): void {
    this.closeCount++;
  }
}

/** A session whose client opens when it is told to, and what became of it. */
function trial() {
  const opened: PromiseWithResolvers<FakeClient>[] = [];
  const session = new ClientSession("fake", () => {
    opened.push(Promise.withResolvers<FakeClient>());
    return opened.at(-1)?.promise ?? assert.fail();
  });
  return { session, opened };
}

describe("ClientSession", () => {
  it("opens one client, sends by it, and closes it", async () => {
    const { session, opened } = trial();
    const client = new FakeClient();
    const starts = [session.start(), session.start()];
    opened[0]?.resolve(client);
    await Promise.all(starts);
    assert.equal(await session.run(async (given) => given), client);
    await session.stop();
    await session.stop();
    assert.equal(opened.length, 1);
    assert.equal(client.closeCount, 1);
  });

  it("sends nothing before its start and after its stop", async () => {
    const { session, opened } = trial();
    const isNotStarted = (error: unknown): boolean =>
      isCollectorError(error, "INTERNAL") && error.message === "fake was not started";
    await session.stop();
    await assert.rejects(
      session.run(async () => 1),
      isNotStarted,
    );
    const starting = session.start();
    opened[0]?.resolve(new FakeClient());
    await starting;
    await session.stop();
    await assert.rejects(
      session.run(async () => 1),
      isNotStarted,
    );
  });

  it("can be stopped and started again after a start that failed", async () => {
    const { session, opened } = trial();
    for (const _ of [1, 2]) {
      const starting = session.start();
      opened.at(-1)?.reject(new Error("no such file"));
      await assert.rejects(starting, /no such file/);
      await session.stop();
    }
    const starting = session.start();
    opened.at(-1)?.resolve(new FakeClient());
    await starting;
    assert.equal(await session.run(async () => 7), 7);
    await session.stop();
  });

  it("can be stopped while it starts, whatever comes of that", async () => {
    for (const isFailing of [false, true]) {
      const { session, opened } = trial();
      const client = new FakeClient();
      const started = Promise.allSettled([session.start()]);
      const stopping = session.stop();
      if (isFailing) opened[0]?.reject(new Error("no such file"));
      else opened[0]?.resolve(client);
      await stopping;
      await started;
      assert.equal(client.closeCount, isFailing ? 0 : 1);
      const again = session.start();
      opened[1]?.resolve(client);
      await again;
      assert.equal(await session.run(async () => 7), 7);
      await session.stop();
    }
  });

  it("waits at its stop for what is on its way, and takes nothing more", async () => {
    const { session, opened } = trial();
    const starting = session.start();
    opened[0]?.resolve(new FakeClient());
    await starting;
    const { promise, resolve } = Promise.withResolvers<number>();
    const sent = session.run(() => promise);
    const stopping = session.stop();
    await assert.rejects(
      session.run(async () => 1),
      (error) => isCollectorError(error, "UNAVAILABLE_RETRYABLE"),
    );
    resolve(7);
    await stopping;
    assert.equal(await sent, 7);
  });
});
