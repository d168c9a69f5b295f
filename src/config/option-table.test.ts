import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { optionTable } from "./option-table.ts";
import {
  boolean,
  choice,
  duration,
  integer,
  list,
  map,
  number,
  object,
  optionalSection,
  secret,
  section,
  text,
} from "./schema.ts";

const ignored = { level: "ignored", reason: "there is none" } as const;
const refused = { level: "refused", reason: "it would do harm" } as const;

const field = object({
  endpoint: text({ doc: "Where | it is.", required: true }),
  token: secret({ doc: "Never printed." }),
  rate: integer({ doc: "How often.", default: 20, min: 1, max: 100, unit: "Hz" }),
  share: number({ doc: "How much.", default: 3, max: 100, unit: "%" }),
  wait: duration({ doc: "How long.", default: "1m", min: "100ms", max: "1h" }),
  mode: choice(["", "fast"], { doc: "How.", default: "" }),
  names: list(text({ doc: "", required: true }), { doc: "Which.", default: ["a", "b"] }),
  headers: map(secret({ doc: "" }), { doc: "More." }),
  tls: section(
    {
      insecure: boolean({ doc: "Without.", default: false }),
      pem: text({ doc: "", support: refused }),
    },
    { doc: "Encryption." },
  ),
  auth: optionalSection({ user: text({ doc: "Who.", required: true }) }, { doc: "Who it is." }),
  readers: list(section({ port: integer({ doc: "Where." }) }, { doc: "" }), { doc: "Ways out." }),
  cookies: section(
    { enabled: boolean({ doc: "", default: false, support: ignored }) },
    { doc: "Not a row of its own." },
  ),
  queue: optionalSection({ size: integer({ doc: "" }) }, { doc: "Not here.", support: refused }),
});

const TABLE = `\
| option | type | default | what it does |
|---|---|---|---|
| \`endpoint\` | text | must be set | Where \\| it is. |
| \`token\` | text, secret | not set | Never printed. |
| \`rate\` | integer, 1 to 100 Hz | \`20\` | How often. |
| \`share\` | number, at most 100 % | \`3\` | How much. |
| \`wait\` | duration, 100ms to 1h | \`1m\` | How long. |
| \`mode\` | \`""\`, \`fast\` | \`""\` | How. |
| \`names\` | list of text | \`a\`, \`b\` | Which. |
| \`headers\` | map of text, secret | \`{}\` | More. |
| \`tls\` | section |  | Encryption. |
| \`tls::insecure\` | boolean | \`false\` | Without. |
| \`auth\` | section | off | Who it is. |
| \`auth::user\` | text | must be set | Who. |
| \`readers\` | list of sections | \`[]\` | Ways out. |
| \`readers[]::port\` | integer | not set | Where. |

Accepted for compatibility: at its default such a key is taken without a word.

| option | default | with another value |
|---|---|---|
| \`tls::pem\` | not set | is refused: it would do harm |
| \`cookies::enabled\` | \`false\` | has no effect: there is none |
| \`queue\` | off | is refused: it would do harm |
`;

describe("optionTable", () => {
  it("has a row for each option, and apart those that are only accepted", () => {
    assert.equal(optionTable(field), TABLE);
  });

  it("says when there is none", () => {
    assert.equal(optionTable(object({})), "It has no options.\n");
  });
});
