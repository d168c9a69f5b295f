import { firstBeyond, gallopBeyond, type Layout, levelCount } from "./layout.ts";

/** The part of the layout that is on screen. */
export interface View {
  /** Left and right edge in the layout's unit. */
  readonly start: number;
  readonly end: number;
  /** Pixels between them. */
  readonly width: number;
  readonly firstLevel: number;
  /** Levels on screen, the last one perhaps in part. */
  readonly levels: number;
}

/**
 * Frames narrower than this are drawn together with their narrow neighbours: a screen shows
 * nothing of them but that something is there.
 */
const FRAME_PIXELS_MIN = 1;

/** Narrow frames nearer to one another than this form one run. */
const GAP_PIXELS_MAX = 1;

/** What is drawn in one frame: as much as fits the screen, however large the tree is. */
export class VisibleFrames {
  /** The frame, or of a run its first one. */
  node: Int32Array = new Int32Array(1024);
  level: Int32Array = new Int32Array(1024);
  /** Left edge in pixels, cut at the view's. */
  x: Float32Array = new Float32Array(1024);
  width: Float32Array = new Float32Array(1024);
  /** 1 for a run of frames too narrow to be drawn each. */
  isRun: Uint8Array = new Uint8Array(1024);
  count = 0;

  /** Finds what is in view. Touches a node only when it covers a pixel of its own. */
  collect(layout: Layout, view: View): void {
    this.count = 0;
    const last = Math.min(levelCount(layout), view.firstLevel + view.levels);
    for (let level = view.firstLevel; level < last; level++)
      this.#collectLevel(layout, view, level);
  }

  #collectLevel(layout: Layout, view: View, level: number): void {
    const { offset, weight, levelStart } = layout;
    const end = levelStart[level + 1] ?? 0;
    const scale = view.width / (view.end - view.start);
    let node = firstBeyond(layout, levelStart[level] ?? 0, end, view.start);
    let run = -1;
    while (node < end) {
      const left = offset[node] ?? 0;
      if (left >= view.end) return;
      const x = Math.max(0, (left - view.start) * scale);
      const right = Math.min(view.width, (left + (weight[node] ?? 0) - view.start) * scale);
      if (right - x >= FRAME_PIXELS_MIN) {
        this.#push(node, level, x, right, 0);
        run = -1;
        node++;
        continue;
      }
      // All that ends within the next pixel is in the run, and none of it is looked at.
      const reach = x + FRAME_PIXELS_MIN;
      const next = gallopBeyond(layout, node, end, view.start + reach / scale);
      const inside = Math.max(next - 1, node);
      const runEnd = ((offset[inside] ?? 0) + (weight[inside] ?? 0) - view.start) * scale;
      run = this.#extend(run, x, Math.min(runEnd, view.width), node, level);
      node = inside + 1;
    }
  }

  /** Lets the run reach to `right`, or begins a new one after a gap; returns its place. */
  #extend(run: number, x: number, right: number, node: number, level: number): number {
    if (run >= 0) {
      const runX = this.x[run] ?? 0;
      if (x - (runX + (this.width[run] ?? 0)) < GAP_PIXELS_MAX) {
        this.width[run] = right - runX;
        return run;
      }
    }
    this.#push(node, level, x, right, 1);
    return this.count - 1;
  }

  #push(node: number, level: number, x: number, right: number, isRun: 0 | 1): void {
    if (this.count === this.node.length) this.#grow();
    const at = this.count++;
    this.node[at] = node;
    this.level[at] = level;
    this.x[at] = x;
    this.width[at] = right - x;
    this.isRun[at] = isRun;
  }

  #grow(): void {
    const length = this.node.length * 2;
    const grown = <Data extends Int32Array | Float32Array | Uint8Array>(to: Data, from: Data) => {
      to.set(from as never);
      return to;
    };
    this.node = grown(new Int32Array(length), this.node);
    this.level = grown(new Int32Array(length), this.level);
    this.x = grown(new Float32Array(length), this.x);
    this.width = grown(new Float32Array(length), this.width);
    this.isRun = grown(new Uint8Array(length), this.isRun);
  }
}
