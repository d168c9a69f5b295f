import { CFA_LEAF, CFA_PLT, CFA_SPECIAL, PAGE_BYTES, WORDS_PER_ROW } from "../unwind-rows.ts";
import { ruleOf, type UnwindRule } from "../unwind-step.ts";
import type { UnwindTable } from "../unwind-table.ts";
import { TEXT } from "./cfi-writer.ts";
import { inReadelfWords } from "./readelf-frames.ts";

const SPECIALS = ["cannot", "end", "frame pointer", "signal", "gap"];

/** Every row of a table as text: distance from TEXT in hex, and the rule. */
export function rowTexts(table: UnwindTable): string[] {
  const texts: string[] = [];
  const { base, rows, pageFirst, machine } = table;
  for (let page = 0; page + 1 < pageFirst.length; page++) {
    for (let row = pageFirst[page] as number; row < (pageFirst[page + 1] as number); row++) {
      const low = (rows[row * WORDS_PER_ROW] as number) & 0xffff;
      const distance = base + page * PAGE_BYTES + low - TEXT;
      texts.push(`${distance.toString(16)} ${ruleText(ruleOf(rows, row), machine)}`);
    }
  }
  return texts;
}

/** A special rule by its name, else CFA, frame pointer and return address as readelf names them. */
export function ruleText(rule: UnwindRule, machine: UnwindTable["machine"]): string {
  if (rule.kind === CFA_SPECIAL) {
    const name = SPECIALS[rule.register] as string;
    return rule.cfaOffset === 0 ? name : `${name} ${rule.cfaOffset}`;
  }
  const words = inReadelfWords(rule, machine);
  const cfa = words?.cfa === "exp" ? expressionText(rule) : words?.cfa;
  const leaf = rule.kind === CFA_LEAF ? "leaf " : "";
  return `${leaf}${cfa} ${words?.fp} ${words?.ra}`;
}

function expressionText({ kind, register, cfaOffset, fpExtra }: UnwindRule): string {
  if (kind === CFA_PLT) return `plt(${cfaOffset},${register})`;
  return `kind${kind}(r${register},${cfaOffset},${fpExtra * 8})`;
}
