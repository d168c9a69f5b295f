import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { describe, it } from "node:test";
import { requirement } from "../support/requirements.ts";
import { type RunningCommand, startObsforge } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { useBrowser, WatchedPage } from "./browser.ts";
import { viewAddress } from "./view-address.ts";

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

async function asked(
  url: string,
  options: { method?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  request(url, options, (response) => {
    response.resume();
    resolve({ status: response.statusCode ?? 0, headers: response.headers });
  })
    .on("error", reject)
    .end();
  return await promise;
}

async function view(...args: string[]): Promise<RunningCommand> {
  return await startObsforge(["view", "--no-open", ...args]);
}

describe("obsforge view", { skip: requirement("chromium") }, () => {
  const browser = useBrowser();

  it("shows a file, and ends at once and cleanly at Ctrl-C", async () => {
    using folder = temporaryFolder();
    const path = folder.file("über α & β.folded");
    writeFileSync(path, "main;work 7\nmain 3\n");
    await using command = await view(path);
    await using page = await WatchedPage.open(browser(), await viewAddress(command));
    const { total, nodes } = await page.ready();
    assert.deepEqual([total, nodes], ["10", "3"]);
    assert.deepEqual([page.complaints, await page.accessibilityFaults()], [[], []]);
    command.signal("SIGINT");
    const { code, stderr } = await command.ended;
    assert.equal(code, 0);
    assert.doesNotMatch(stderr, /Error|at /);
  });

  it("shows two files as a difference when it is asked to, and else the first", async () => {
    using folder = temporaryFolder();
    const paths = [folder.file("a.folded"), folder.file("b.folded")];
    for (const [at, path] of paths.entries()) writeFileSync(path, `main;work ${5 + at}\n`);
    for (const { flags, total } of [
      { flags: ["--diff"], total: "6" },
      { flags: [], total: "5" },
    ]) {
      await using command = await view(...flags, ...paths);
      await using page = await WatchedPage.open(browser(), await viewAddress(command));
      assert.equal((await page.ready())["total"], total);
    }
  });

  it("opens files that are dropped on its page", async () => {
    using folder = temporaryFolder();
    mkdirSync(folder.file("dropped"));
    const path = folder.file("dropped/x.folded");
    writeFileSync(path, "main;work 7\nmain 3\n");
    await using command = await view();
    await using page = await WatchedPage.open(browser(), await viewAddress(command));
    await page.page.locator("input[type=file]").first().setInputFiles(path);
    assert.equal((await page.ready())["total"], "10");
    // An empty server answers the list of profiles with an empty list.
    assert.deepEqual(page.complaints, []);
  });

  it("answers nobody who does not know its address [S10]", async () => {
    await using command = await view();
    const address = new URL(await viewAddress(command));
    const { port, pathname, origin } = address;
    const rebound = { headers: { Host: `evil.example:${port}` } };
    const cases: readonly [string, Parameters<typeof asked>[1], number][] = [
      [`${origin}${pathname}`, {}, 200],
      [`${origin}${pathname}`, { headers: { Host: `localhost:${port}` } }, 200],
      [`${origin}${pathname}`, rebound, 421],
      [`${origin}${pathname}`, { headers: { Host: "127.0.0.1" } }, 421],
      [`${origin}/`, {}, 404],
      [`${origin}/wrong/`, {}, 404],
      [`${origin}${pathname}../../etc/passwd`, {}, 404],
      [`${origin}${pathname}%2e%2e/page.js`, {}, 404],
      [`${origin}${pathname}`, { method: "POST" }, 405],
      [`${origin}${pathname}`, { method: "OPTIONS" }, 405],
    ];
    for (const [url, options, status] of cases) {
      const answer = await asked(url, options);
      assert.equal(answer.status, status, `${url} ${JSON.stringify(options)}`);
      assert.equal(answer.headers["access-control-allow-origin"], undefined);
      assert.match(String(answer.headers["content-security-policy"]), /default-src 'none'/);
    }
  });

  it("says what is wrong in one sentence", async () => {
    using folder = temporaryFolder();
    writeFileSync(folder.file("a.folded"), "main 1\n");
    await using first = await view();
    const { port } = new URL(await viewAddress(first));
    const cases: readonly { args: string[]; code: number; says: RegExp }[] = [
      { args: ["--diff", folder.file("a.folded")], code: 2, says: /--diff takes two files/ },
      { args: [folder.file("none.folded")], code: 1, says: /none\.folded/ },
      { args: ["--port", "x"], code: 2, says: /whole number up to 65535/ },
      { args: ["--port", port], code: 2, says: /port \d+: it is taken by another program/ },
    ];
    for (const { args, code, says } of cases) {
      await using command = await view(...args);
      const ended = await command.ended;
      assert.equal(ended.code, code, ended.stderr);
      assert.match(ended.stderr, says);
    }
  });
});
