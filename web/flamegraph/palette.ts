/**
 * The colours of frames. A frame's colour is a place in a palette, so that frames of one colour
 * can be filled one after the other.
 *
 *   0 … 15    hues of packages and files, chosen by hash
 *   16 … 23   types of frames
 *   24 … 33   a ramp of ten steps for values
 *   34 … 50   differences: eight steps of less, unchanged, eight steps of more
 *   51 … 54   match of a search, no match, run of narrow frames, frame without a name
 */
export const HUES = 16;
export const TYPES: number = HUES;
export const TYPE_COUNT = 8;
export const RAMP: number = TYPES + TYPE_COUNT;
export const RAMP_STEPS = 10;
export const UNCHANGED: number = RAMP + RAMP_STEPS + 8;
export const CHANGE_STEPS = 8;
export const MATCH: number = UNCHANGED + CHANGE_STEPS + 1;
export const DIMMED: number = MATCH + 1;
export const RUN: number = MATCH + 2;
export const NAMELESS: number = MATCH + 3;
export const COLOUR_COUNT: number = MATCH + 4;

export type Theme = "light" | "dark";

/** Everything that is painted in one theme. */
export interface Palette {
  /** By the places above, as #rrggbb. */
  readonly frames: readonly string[];
  readonly background: string;
  readonly text: string;
  readonly dimmedText: string;
  readonly focus: string;
  readonly hover: string;
}

/** Hues that stay apart for most readers; neighbours in the list differ most. */
const hueDegrees = [30, 200, 90, 280, 10, 170, 50, 230, 130, 320, 20, 185, 70, 255, 110, 345];

/** Okabe and Ito's colours, which colour-blind readers tell apart, lightened for dark text. */
const typeHues = [40, 205, 160, 330, 55, 265, 95, 0];

const byTheme = new Map<Theme, Palette>();

/** The palette of a theme; text on every colour has a contrast of at least 4.5 to 1. */
export function paletteOf(theme: Theme): Palette {
  let palette = byTheme.get(theme);
  if (palette === undefined) {
    palette = theme === "light" ? light() : dark();
    byTheme.set(theme, palette);
  }
  return palette;
}

function light(): Palette {
  const frames = [
    ...hueDegrees.map((hue) => hsl(hue, 72, 76)),
    ...typeHues.map((hue) => hsl(hue, 68, 74)),
    ...steps(RAMP_STEPS, (part) => hsl(48 - 40 * part, 90, 88 - 26 * part)),
    ...steps(CHANGE_STEPS, (part) => hsl(212, 25 + 60 * (1 - part), 62 + 24 * part)),
    "#dcdcdc",
    ...steps(CHANGE_STEPS, (part) => hsl(32, 35 + 60 * part, 86 - 24 * part)),
    "#f5a3ff",
    "#e4e4e7",
    "#c9c9cf",
    "#d6d6db",
  ];
  return {
    frames,
    background: "#ffffff",
    text: "#1b1b1f",
    dimmedText: "#5c5c66",
    focus: "#0b3bd6",
    hover: "#1b1b1f",
  };
}

function dark(): Palette {
  const frames = [
    ...hueDegrees.map((hue) => hsl(hue, 38, 29)),
    ...typeHues.map((hue) => hsl(hue, 40, 30)),
    ...steps(RAMP_STEPS, (part) => hsl(48 - 40 * part, 45 + 25 * part, 18 + 16 * part)),
    ...steps(CHANGE_STEPS, (part) => hsl(212, 15 + 55 * (1 - part), 38 - 14 * part)),
    "#3a3a40",
    ...steps(CHANGE_STEPS, (part) => hsl(28, 25 + 60 * part, 24 + 8 * part)),
    "#8a2f99",
    "#2a2a2f",
    "#4a4a52",
    "#3a3a40",
  ];
  return {
    frames,
    background: "#161619",
    text: "#f2f2f5",
    dimmedText: "#a3a3ad",
    focus: "#8fb4ff",
    hover: "#f2f2f5",
  };
}

function steps(count: number, colour: (part: number) => string): string[] {
  return Array.from({ length: count }, (_, step) => colour(step / (count - 1)));
}

function hsl(hue: number, saturation: number, lightness: number): string {
  const strength = (saturation / 100) * Math.min(lightness / 100, 1 - lightness / 100);
  const channel = (shift: number): string => {
    const turn = (shift + hue / 30) % 12;
    const value = lightness / 100 - strength * Math.max(-1, Math.min(turn - 3, 9 - turn, 1));
    return Math.round(255 * value)
      .toString(16)
      .padStart(2, "0");
  };
  return `#${channel(0)}${channel(8)}${channel(4)}`;
}
