import { type FlameGraphColumns, KIND_KERNEL } from "./columns.ts";
import { shareText, valueText } from "./value-text.ts";

/** What a picture shows beside the tree. */
export interface FlamePicture {
  readonly columns: FlameGraphColumns;
  readonly title: string;
  /** Name and unit of the sample type. */
  readonly type: { readonly name: string; readonly unit: string };
  /** In a difference, what values before are multiplied by. */
  readonly beforeScale?: number;
  /** Of the whole picture, in CSS pixels. */
  readonly width: number;
}

const ROW_HEIGHT = 18;
const FONT_SIZE = 12;
/** Room for a character of the monospaced font. */
const CHARACTER_WIDTH = 7.3;
const CHARACTERS_MIN = 3;
const MARGIN = 8;
const HEAD_HEIGHT = 48;
const FOOT_HEIGHT = 24;

/** Narrower frames would not be seen; a tree of a million has only some thousand wider ones. */
const WIDTH_MIN = 0.2;

/** A change of less than this part of the whole is not coloured. */
const UNCHANGED_SHARE = 0.0005;

/**
 * A tree as a picture that needs no program: the root on top, names in their frames as far as
 * they fit, the rest in tooltips. What is too narrow is left out, and how much that is stands
 * below. Valid XML whatever is in the names, and no script.
 */
export function flameSvg(picture: FlamePicture): string {
  const layout = laidOut(picture);
  const { title, type, width, columns, beforeScale } = picture;
  const height = HEAD_HEIGHT + layout.levels * ROW_HEIGHT + FOOT_HEIGHT;
  const total = valueText(columns.total[0] ?? 0, type.unit);
  const before = columns.before && valueText(columns.before.total[0] ?? 0, type.unit);
  const values = before === undefined ? total : `${before} before, ${total} after`;
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"` +
      ` viewBox="0 0 ${width} ${height}" role="img" font-family="monospace"` +
      ` font-size="${FONT_SIZE}" fill="#1b1b1f">`,
    `<title>${escaped(title)}</title>`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    `<text x="${MARGIN}" y="20" font-size="15">${escaped(cut(title, width / 9))}</text>`,
    `<text x="${MARGIN}" y="38">${escaped(`${type.name}: ${values}`)}</text>`,
  ];
  const painter = new FramePainter(picture, layout.whole);
  for (const { node, x, width: w, level } of layout.frames) {
    lines.push(painter.frame(node, { x, width: w, y: HEAD_HEIGHT + level * ROW_HEIGHT }));
  }
  lines.push(
    `<text x="${MARGIN}" y="${height - 8}" fill="#5c5c66">${escaped(footOf(layout, beforeScale))}</text>`,
    "</svg>",
    "",
  );
  return lines.join("\n");
}

interface PlacedFrame {
  readonly node: number;
  readonly x: number;
  readonly width: number;
  readonly level: number;
}

interface Layout {
  readonly frames: readonly PlacedFrame[];
  readonly levels: number;
  /** The root's weight. */
  readonly whole: number;
  /** Frames that are too narrow, with all below them, and their part of the whole. */
  readonly leftOut: number;
  readonly leftOutShare: number;
}

/** Walks from the root; a frame that is too narrow is left out with all that is below it. */
function laidOut(picture: FlamePicture): Layout {
  const { columns, width } = picture;
  const weightOf = weights(picture);
  const whole = weightOf(0);
  const perPixel = whole / (width - 2 * MARGIN);
  const frames: PlacedFrame[] = [];
  const pending: PlacedFrame[] = [{ node: 0, x: MARGIN, width: width - 2 * MARGIN, level: 0 }];
  let [levels, leftOutWeight] = [0, 0];
  for (let frame = pending.pop(); frame !== undefined; frame = pending.pop()) {
    frames.push(frame);
    levels = Math.max(levels, frame.level + 1);
    let { x } = frame;
    const first = columns.firstChild[frame.node] as number;
    for (let child = first; child < first + (columns.childCount[frame.node] as number); child++) {
      const weight = weightOf(child);
      const childWidth = whole === 0 ? 0 : weight / perPixel;
      if (childWidth >= WIDTH_MIN) {
        pending.push({ node: child, x, width: childWidth, level: frame.level + 1 });
      } else leftOutWeight += weight;
      x += childWidth;
    }
  }
  const leftOut = columns.name.length - frames.length;
  return { frames, levels, whole, leftOut, leftOutShare: whole === 0 ? 0 : leftOutWeight / whole };
}

function weights({ columns, beforeScale = 1 }: FlamePicture): (node: number) => number {
  const { total, before } = columns;
  if (before === undefined) return (node) => Math.max(0, total[node] as number);
  return (node) => (total[node] as number) + (before.total[node] as number) * beforeScale;
}

function footOf({ leftOut, leftOutShare }: Layout, beforeScale: number | undefined): string {
  const colours =
    beforeScale === undefined ? "" : "Orange: more than before. Blue: less. Grey: as before. ";
  if (leftOut === 0) return `${colours}Every frame is drawn.`;
  return (
    `${colours}${leftOut.toLocaleString("en-US")} frames narrower than ${WIDTH_MIN} px are left ` +
    `out, ${shareText(leftOutShare, 1)} of the width in all.`
  );
}

class FramePainter {
  readonly #picture: FlamePicture;
  readonly #whole: number;

  constructor(picture: FlamePicture, whole: number) {
    this.#picture = picture;
    this.#whole = whole;
  }

  frame(node: number, box: { x: number; y: number; width: number }): string {
    const name = this.#name(node);
    const label = cut(name, (box.width - 6) / CHARACTER_WIDTH);
    const rect =
      `<rect x="${short(box.x)}" y="${box.y}" width="${short(Math.max(0.2, box.width - 0.5))}"` +
      ` height="${ROW_HEIGHT - 1}" fill="${this.#colour(node, name)}"/>`;
    const text =
      label === ""
        ? ""
        : `<text x="${short(box.x + 3)}" y="${box.y + 13}">${escaped(label)}</text>`;
    return `<g><title>${escaped(this.#tooltip(node, name))}</title>${rect}${text}</g>`;
  }

  #name(node: number): string {
    const { columns } = this.#picture;
    return columns.names[columns.name[node] as number] ?? "";
  }

  #tooltip(node: number, name: string): string {
    const { columns, type } = this.#picture;
    const file = columns.files[columns.file[node] as number] ?? "";
    const line = columns.line[node] as number;
    const place = file === "" ? "" : `\n${file}${line === 0 ? "" : `:${line}`}`;
    const side = (self: Float64Array, total: Float64Array): string => {
      const value = total[node] as number;
      const share = shareText(value, total[0] as number);
      const own = valueText(self[node] as number, type.unit);
      return `${valueText(value, type.unit)} (${share}), self ${own}`;
    };
    const after = side(columns.self, columns.total);
    if (columns.before === undefined) return `${name}${place}\n${after}`;
    const before = side(columns.before.self, columns.before.total);
    return `${name}${place}\nbefore ${before}\nafter ${after}`;
  }

  #colour(node: number, name: string): string {
    const { columns, beforeScale = 1 } = this.#picture;
    if (columns.before !== undefined) {
      const before = (columns.before.total[node] as number) * beforeScale;
      return changeColour(before, columns.total[node] as number, this.#whole);
    }
    if (node === 0) return "#dcdcdc";
    if (columns.kind[node] === KIND_KERNEL) return `hsl(205,55%,${78 + (hashOf(name) % 8)}%)`;
    return `hsl(${18 + (hashOf(name) % 38)},85%,${72 + ((hashOf(name) >>> 8) % 10)}%)`;
  }
}

/** Grey, or orange for more and blue for less: a pair that colour-blind readers tell apart. */
function changeColour(before: number, after: number, whole: number): string {
  const change = after - before;
  if (Math.abs(change) < whole * UNCHANGED_SHARE) return "#dcdcdc";
  const part = Math.min(1, Math.abs(change) / Math.max(before, after));
  const lightness = Math.round(86 - 26 * part);
  return change > 0 ? `hsl(32,95%,${lightness}%)` : `hsl(212,85%,${lightness}%)`;
}

/** FNV-1a: the same name has the same colour in every picture. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return (hash ^ (hash >>> 15)) >>> 0;
}

function cut(text: string, room: number): string {
  const characters = Math.floor(room);
  // A name may be a megabyte long, and little of it can be seen.
  const start = [...text.slice(0, 2 * Math.max(0, characters) + 2)];
  if (start.length <= characters) return text;
  return characters < CHARACTERS_MIN ? "" : `${start.slice(0, characters - 1).join("")}…`;
}

function short(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** XML has no way to write most control characters, escaped or not. */
function escaped(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[^\t\n\r -\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "\ufffd")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
