import type { YAMLParseError } from "yaml";

/** The parser's faults in our words: what is wrong, and what to look for. */
const SENTENCES: Readonly<Record<string, string>> = {
  ALIAS_PROPS: "an alias (*name) cannot have a tag or an anchor of its own",
  BAD_ALIAS: "an alias or anchor has a name that is not allowed",
  BAD_COLLECTION_TYPE: "a tag does not fit the map or list behind it",
  BAD_DIRECTIVE: "a line that starts with % is no YAML directive",
  BAD_DQ_ESCAPE: 'an escape in double quotes is not allowed; write "\\\\" for a backslash',
  BAD_INDENT: "the indentation fits no open map or list, or a bracket is not closed",
  BAD_PROP_ORDER: "a tag or anchor stands on the wrong side of its key or dash",
  BAD_SCALAR_START: "text cannot start with this character; put it in quotes",
  BLOCK_AS_IMPLICIT_KEY: 'a second key on one line; put text that has ": " in quotes',
  BLOCK_IN_FLOW: "an indented map or list cannot stand inside [ ] or { }",
  IMPOSSIBLE: "this is no YAML",
  KEY_OVER_1024_CHARS: "a key is longer than 1024 characters",
  MISSING_CHAR: "a quote, bracket, comma, colon or space is missing",
  MULTILINE_IMPLICIT_KEY: "a key goes over several lines; a colon may be missing",
  MULTIPLE_ANCHORS: "a value has two anchors",
  MULTIPLE_DOCS: "a second document starts; a configuration is one document, so remove the ---",
  MULTIPLE_TAGS: "a value has two tags",
  RESOURCE_EXHAUSTION: "maps and lists are nested too deeply",
  TAB_AS_INDENT: "a tab indents; YAML is indented with spaces",
  TAG_RESOLVE_FAILED: "a tag cannot be read",
  UNEXPECTED_TOKEN: "something stands where no value can be",
};

/** The fault that comes first in the text, and the sentence for it. */
export function firstFault(errors: readonly YAMLParseError[]): { offset: number; words: string } {
  const exhausted = errors.find((error) => error.code === "RESOURCE_EXHAUSTION");
  const first = exhausted ?? errors.toSorted((a, b) => a.pos[0] - b.pos[0])[0];
  return { offset: first?.pos[0] ?? 0, words: SENTENCES[first?.code ?? ""] ?? "this is no YAML" };
}
