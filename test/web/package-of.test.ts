import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { packageOf } from "../../web/flamegraph/package-of.ts";

describe("the package that a function is coloured by", () => {
  for (const [name, file, expected] of [
    ["net/http.(*conn).serve", "", "net/http"],
    ["github.com/lib/pq.(*conn).query", "/go/pkg/mod/pq/conn.go", "github.com/lib/pq"],
    ["runtime.mallocgc", "", "runtime"],
    ["main.main.func1", "", "main"],
    ["std::vector<int>::push_back(int const&)", "", "std"],
    ["void boost::asio::run<int>()", "", "boost"],
    ["core::ptr::drop_in_place", "", "core"],
    ["<alloc::vec::Vec<T> as Drop>::drop", "", "alloc"],
    ["java.util.HashMap.getNode", "", "java.util"],
    ["java/util/HashMap.getNode", "", "java.util"],
    ["handle", "/srv/node_modules/express/lib/router.js", "express"],
    ["parse", "/srv/node_modules/@babel/parser/index.js", "@babel/parser"],
    ["processTicks", "node:internal/process/task_queues", "node:internal/process/task_queues"],
    ["get", "/usr/lib/python3/dist-packages/requests/api.py", "requests"],
    ["do_work", "src/jobs/work.c", "src/jobs"],
    ["malloc", "", ""],
    ["operator new(unsigned long)", "", ""],
  ] as const) {
    it(`of ${name} ${file} is ${expected || "not known"}`, () => {
      assert.equal(packageOf(name, file), expected);
    });
  }

  it("takes no time for a name that is made to take it", () => {
    const hostile = [
      "a/".repeat(20_000),
      "a.".repeat(20_000),
      " *&".repeat(10_000),
      "a b".repeat(9999),
    ];
    const startNs = process.hrtime.bigint();
    for (const name of hostile) packageOf(name, name);
    assert.ok(process.hrtime.bigint() - startNs < 500_000_000n);
  });
});
