import { type FrameLook, markPlace, ROW_HEIGHT } from "./painter.ts";
import type { Palette } from "./palette.ts";
import type { VisibleFrames } from "./visible-frames.ts";

/** What the picture needs beside the frames; sizes in CSS pixels. */
export interface SvgScene {
  readonly palette: Palette;
  readonly width: number;
  readonly height: number;
  /** Device pixels in a CSS pixel. */
  readonly ratio: number;
  readonly yOf: (level: number) => number;
  /** What a reader sees when the pointer rests on a frame. */
  readonly title: (node: number) => string;
}

/** Room for a character of the font, on average: an SVG cannot measure. */
const CHARACTER_WIDTH = 6.6;
const CHARACTERS_MIN = 3;

/** The visible frames as SVG text. Everything that came with a profile is escaped. */
export function svgOf(frames: VisibleFrames, look: FrameLook, scene: SvgScene): string {
  const { width, height, palette } = scene;
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"` +
      ` viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="${palette.background}"/>`,
  ];
  for (let at = 0; at < frames.count; at++) lines.push(frameOf(frames, at, look, scene));
  lines.push("</svg>", "");
  return lines.join("\n");
}

function frameOf(frames: VisibleFrames, at: number, look: FrameLook, scene: SvgScene): string {
  const { palette, ratio } = scene;
  const node = frames.node[at] ?? 0;
  const isRun = frames.isRun[at] === 1;
  const x = (frames.x[at] ?? 0) / ratio;
  const width = (frames.width[at] ?? 0) / ratio;
  const y = scene.yOf(frames.level[at] ?? 0);
  const fill = palette.frames[isRun ? look.runColour(node) : look.colour(node)] ?? "";
  const box =
    `<rect x="${short(x)}" y="${short(y)}" width="${short(Math.max(0.5, width - 0.5))}"` +
    ` height="${ROW_HEIGHT - 1}" fill="${fill}"/>`;
  if (isRun) return box;
  const label = cut(look.label(node), Math.floor((width - 8) / CHARACTER_WIDTH));
  const text =
    label === ""
      ? ""
      : `<text x="${short(x + 4)}" y="${short(y + 14)}" fill="${palette.text}">` +
        `${escaped(label)}</text>`;
  const mark = look.mark(node);
  const line =
    mark === "none"
      ? ""
      : `<rect x="${short(x)}" y="${short(y + markPlace(mark))}"` +
        ` width="${short(Math.max(0.5, width - 0.5))}" height="1.5" fill="${palette.text}"/>`;
  return `<g><title>${escaped(scene.title(node))}</title>${box}${line}${text}</g>`;
}

function cut(text: string, characters: number): string {
  const all = [...text];
  if (all.length <= characters) return text;
  return characters < CHARACTERS_MIN ? "" : `${all.slice(0, characters - 1).join("")}…`;
}

function short(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** XML has no way to write most control characters, escaped or not. */
function escaped(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "\ufffd")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
