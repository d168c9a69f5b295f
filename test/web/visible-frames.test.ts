import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { FlameGraphColumns } from "../../src/profiles/flamegraph/columns.ts";
import { buildTree } from "../../src/profiles/flamegraph/tree.ts";
import {
  depthBetween,
  type Layout,
  layoutOf,
  levelCount,
  levelOf,
  nodeAt,
} from "../../web/flamegraph/layout.ts";
import { VisibleFrames } from "../../web/flamegraph/visible-frames.ts";
import { sampleProfile } from "../browser/graph/sample-profile.ts";

const frame = fc.constantFrom("a", "b", "c", "d");
const samples = fc.array(
  fc.record({
    stack: fc.array(frame, { maxLength: 6 }),
    values: fc.tuple(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9999 }))),
  }),
  { minLength: 1, maxLength: 60 },
);

function treeOf(lines: readonly { stack: string[]; values: [number] }[]): FlameGraphColumns {
  return buildTree(sampleProfile({ lines })).columns;
}

/** Left and right edge of every node, found by adding up from the root. */
function edges(columns: FlameGraphColumns): { left: number[]; right: number[] } {
  const left: number[] = [0];
  const right: number[] = [];
  for (const [node, total] of columns.total.entries()) {
    right[node] = (left[node] ?? 0) + total;
    let at = left[node] ?? 0;
    const first = columns.firstChild[node] ?? 0;
    for (let child = first; child < first + (columns.childCount[node] ?? 0); child++) {
      left[child] = at;
      at += columns.total[child] ?? 0;
    }
  }
  return { left, right };
}

function laidOut(columns: FlameGraphColumns): Layout {
  return layoutOf(columns, columns.total);
}

describe("what of a graph is drawn", () => {
  it("is every frame of at least a pixel, where it belongs, and no pixel of another's", () => {
    fc.assert(
      fc.property(samples, fc.integer({ min: 1, max: 300 }), fc.nat(), (lines, width, zoom) => {
        const columns = treeOf(lines);
        const layout = laidOut(columns);
        const { left, right } = edges(columns);
        const node = zoom % columns.name.length;
        const view = { start: left[node] ?? 0, end: right[node] ?? 0, width };
        if (view.end === view.start) return;
        const frames = new VisibleFrames();
        frames.collect(layout, { ...view, firstLevel: 0, levels: levelCount(layout) });
        const scale = width / (view.end - view.start);
        const drawn = new Map<number, { x: number; width: number }>();
        for (let at = 0; at < frames.count; at++) {
          const box = { x: frames.x[at] ?? 0, width: frames.width[at] ?? 0 };
          if (frames.isRun[at] === 0) drawn.set(frames.node[at] ?? 0, box);
        }
        for (const [at, start] of left.entries()) {
          const x = Math.max(0, (start - view.start) * scale);
          const end = Math.min(width, ((right[at] ?? 0) - view.start) * scale);
          const box = drawn.get(at);
          if (end - x >= 1.001) {
            assert.ok(box, `node ${at} of ${end - x} pixels is not drawn`);
            assert.ok(Math.abs(box.x - x) < 0.01 && Math.abs(box.width - (end - x)) < 0.01);
          } else if (end - x < 0.999) assert.equal(box, undefined);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("leaves no narrow frame without a run that covers it", () => {
    fc.assert(
      fc.property(samples, fc.integer({ min: 1, max: 60 }), (lines, width) => {
        const columns = treeOf(lines);
        const layout = laidOut(columns);
        const { left, right } = edges(columns);
        const whole = right[0] ?? 0;
        const frames = new VisibleFrames();
        const levels = levelCount(layout);
        frames.collect(layout, { start: 0, end: whole, width, firstLevel: 0, levels });
        for (const [node, start] of left.entries()) {
          const middle = ((start + (right[node] ?? 0)) / 2) * (width / whole);
          const level = levelOf(layout, node);
          let isCovered = false;
          for (let at = 0; at < frames.count; at++) {
            const x = frames.x[at] ?? 0;
            const end = x + (frames.width[at] ?? 0);
            if (frames.level[at] === level && x <= middle + 1e-3 && middle <= end + 1e-3) {
              isCovered = true;
            }
          }
          assert.ok(isCovered, `node ${node} at ${middle} is covered by nothing`);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("finds the frame under a place, and how deep it goes there", () => {
    fc.assert(
      fc.property(samples, fc.double({ min: 0, max: 0.999, noNaN: true }), (lines, part) => {
        const columns = treeOf(lines);
        const layout = laidOut(columns);
        const { left, right } = edges(columns);
        const place = part * (right[0] ?? 0);
        for (let level = 0; level < levelCount(layout); level++) {
          const expected = left.findIndex(
            (start, node) =>
              levelOf(layout, node) === level && start <= place && place < (right[node] ?? 0),
          );
          assert.equal(nodeAt(layout, level, place), expected);
        }
        assert.equal(depthBetween(layout, 0, right[0] ?? 0), levelCount(layout));
      }),
      { numRuns: 200 },
    );
  });
});
