/**
 * A symbol worker on a machine that seems slow: its start takes the CPU time of four usual ones,
 * and so does an answer, which oversteps the tests' deadline.
 */
import { parentPort } from "node:worker_threads";
import { workerReady } from "../worker-protocol.ts";

const START_CPU_MS = 500;
const ANSWER_CPU_MS = 350;

function spin(cpuMs: number): void {
  const until = process.threadCpuUsage().user / 1000 + cpuMs;
  while (process.threadCpuUsage().user / 1000 < until);
}

parentPort?.on("message", () => {
  spin(ANSWER_CPU_MS);
  parentPort?.postMessage({ missing: "is slow" });
});
spin(START_CPU_MS);
parentPort?.postMessage(workerReady);
