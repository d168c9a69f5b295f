import type { JSX } from "preact";
import { colourModes } from "../../flamegraph/frame-colours.ts";
import { toggleTheme } from "../keys.ts";
import { chosenOf, type PageModel } from "../model.ts";
import { ExportMenu } from "./export-menu.tsx";
import { Legend } from "./legend.tsx";
import { SearchBox } from "./search-box.tsx";

/** Everything that is chosen with the mouse; each has a key or is reached with Tab. */
export function Toolbar({ page }: { page: PageModel }): JSX.Element {
  const { invert, collapse, show } = page.state.value;
  const isDark = page.theme.value === "dark";
  return (
    <div class="toolbar" role="toolbar" aria-label="Flame graph">
      <ProfileChoice page={page} />
      <TypeChoice page={page} />
      <SearchBox page={page} />
      <Toggle on={invert} text="Invert" act={() => page.set({ invert: !invert })} />
      <Toggle
        on={collapse}
        text="Collapse recursion"
        act={() => page.set({ collapse: !collapse })}
      />
      <ColourChoice page={page} />
      {page.info.value?.isDifference && <DifferenceChoice page={page} />}
      <Legend page={page} />
      <LabelChoice page={page} />
      <Choice
        name="Show"
        value={show}
        options={[
          ["graph", "Graph"],
          ["both", "Graph and table"],
          ["table", "Table"],
        ]}
        choose={(value) => page.set({ show: value })}
      />
      <ExportMenu page={page} />
      <Toggle on={isDark} text="Dark" act={() => toggleTheme(page)} />
      <button
        type="button"
        title="Keys (?)"
        onClick={() => {
          page.isHelpOpen.value = true;
        }}
      >
        Keys
      </button>
    </div>
  );
}

function Toggle(props: { on: boolean; text: string; act: () => Promise<void> }): JSX.Element {
  return (
    <button type="button" aria-pressed={props.on} onClick={() => void props.act()}>
      {props.text}
    </button>
  );
}

/** A choice from a list, with its name inside for who sees and before it for who hears. */
export function Choice(props: {
  name: string;
  value: string;
  options: readonly (readonly [value: string, text: string])[];
  choose: (value: string) => Promise<void>;
}): JSX.Element {
  return (
    <label class="choice">
      <span>{props.name}</span>
      <select
        value={props.value}
        onChange={(event) => void props.choose(event.currentTarget.value)}
      >
        {props.options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Which of several profiles is shown, and which it is compared with. */
function ProfileChoice({ page }: { page: PageModel }): JSX.Element | null {
  const sources = page.sources.value;
  if (sources.length < 2) return null;
  const { shown, before } = chosenOf(page.state.value, sources.length);
  const options = sources.map(({ name }, at) => [String(at), name] as const);
  return (
    <>
      <Choice
        name="Profile"
        value={String(shown)}
        options={options}
        choose={(file) => page.set({ file, before: String(before) })}
      />
      <Choice
        name="Compared with"
        value={String(before)}
        options={[["-1", "none"], ...options]}
        choose={(value) => page.set({ file: String(shown), before: value })}
      />
    </>
  );
}

function TypeChoice({ page }: { page: PageModel }): JSX.Element | null {
  const types = page.info.value?.sampleTypes ?? [];
  if (types.length === 0) return null;
  const shown = page.trees.value?.tree.sampleType ?? "";
  return (
    <Choice
      name="Type"
      value={shown}
      options={types.map(({ name, unit }) => [name, unit === "" ? name : `${name} (${unit})`])}
      choose={(type) => page.set({ type })}
    />
  );
}

function ColourChoice({ page }: { page: PageModel }): JSX.Element {
  const modes = page.info.value?.isDifference ? ["difference", ...colourModes] : colourModes;
  return (
    <Choice
      name="Colour"
      value={page.colourBy.value}
      options={modes.map((mode) => [mode, `by ${mode}`])}
      choose={(colour) => page.set({ colour })}
    />
  );
}

function DifferenceChoice({ page }: { page: PageModel }): JSX.Element {
  return (
    <Choice
      name="Difference"
      value={page.state.value.diff}
      options={[
        ["share", "of shares (relative)"],
        ["rate", "per second and instance"],
        ["absolute", "as measured (absolute)"],
      ]}
      choose={(diff) => page.set({ diff })}
    />
  );
}

/** A label as a filter, and a label as the level below the root. */
function LabelChoice({ page }: { page: PageModel }): JSX.Element | null {
  const labels = page.info.value?.labels ?? [];
  if (labels.length === 0) return null;
  const { root, label } = page.state.value;
  return (
    <>
      <Choice
        name="Root level"
        value={root}
        options={[["", "none"], ...labels.map(({ key }) => [key, key] as const)]}
        choose={(key) => page.set({ root: key })}
      />
      <label class="choice">
        <span>Filter</span>
        <select
          value=""
          onChange={(event) => {
            const chosen = event.currentTarget.value;
            event.currentTarget.value = "";
            if (chosen !== "" && !label.includes(chosen)) {
              void page.set({ label: [...label, chosen] });
            }
          }}
        >
          <option value="">by label…</option>
          {labels.map(({ key, values }) => (
            <optgroup key={key} label={key}>
              {values.map((value) => (
                <option key={value} value={`${key}=${value}`}>
                  {value}
                </option>
              ))}
            </optgroup>
          ))}
        </select>
      </label>
    </>
  );
}
