/**
 * A symbol worker that does what a bad file could make the true one do, by the file's key.
 * It starts slower than the tests' deadline.
 */
import { readSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { type WorkerRequest, workerReady } from "../worker-protocol.ts";

const START_MS = 300;
/** Of a long map. */
const PARTS = 3;

/** Keys of the long maps that were asked about, in their order. */
const longMaps: string[] = [];

parentPort?.on("message", (request: WorkerRequest) => {
  const { key = "", source } = "file" in request ? request.file : {};
  if (request.kind === "name-jit" && request.map.key.startsWith("hang")) for (;;);
  if (key.startsWith("hang") || request.kind === "kernel-symbolize") for (;;);
  // Debug information that nobody can read in time.
  if (key === "heavy" && request.kind === "symbolize" && request.lines) for (;;);
  if (request.kind === "name-jit" && request.map.key.startsWith("long")) {
    const count = longMaps.push(request.map.key);
    const isAll = longMaps.filter((one) => one === request.map.key).length === PARTS;
    const asked = longMaps.slice(count - PARTS).join(", ");
    parentPort?.postMessage(isAll ? { missing: asked } : "not all read");
    return;
  }
  // A read that does not return keeps the thread from being ended.
  if (key === "stuck" && source && "fd" in source) readSync(source.fd, new Uint8Array(1));
  parentPort?.postMessage({ missing: "is odd" });
});
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, START_MS);
parentPort?.postMessage(workerReady);
