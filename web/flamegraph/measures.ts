/** What the graph tells of itself through User Timing, each up to the painted frame. */
export type MeasureName = "flamegraph-render" | "flamegraph-zoom" | "flamegraph-search";

/**
 * Measures from a time to the end of the frame that is being drawn now: a message that is posted
 * while drawing is delivered after the browser has painted. Call it in an animation frame.
 */
export function measureToPaint(name: MeasureName, sinceMs: number, painted?: () => void): void {
  const channel = new MessageChannel();
  channel.port1.onmessage = () => {
    channel.port1.close();
    performance.measure(name, { start: sinceMs, end: performance.now() });
    painted?.();
  };
  channel.port2.postMessage(undefined);
}
