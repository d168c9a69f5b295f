/** What the graph tells of itself through User Timing, each up to the painted frame. */
export type MeasureName = "flamegraph-render" | "flamegraph-zoom" | "flamegraph-search";

/**
 * Measures from a time to the end of the frame that is being drawn now. Call it in an animation
 * frame.
 */
export function measureToPaint(name: MeasureName, sinceMs: number, painted: () => void): void {
  afterFrame(() => {
    performance.measure(name, { start: sinceMs, end: performance.now() });
    painted();
  });
}

/** Calls back when the next frame is painted. */
export function afterPaint(work: () => void): void {
  requestAnimationFrame(() => afterFrame(work));
}

/**
 * A message that is posted while a frame is drawn is delivered after it is painted. While the
 * graph moves the next frame may begin before the message is: that is after the painting, too.
 */
function afterFrame(work: () => void): void {
  const channel = new MessageChannel();
  let isDone = false;
  const done = (): void => {
    if (isDone) return;
    isDone = true;
    channel.port1.close();
    work();
  };
  channel.port1.onmessage = done;
  channel.port2.postMessage(undefined);
  requestAnimationFrame(done);
}
