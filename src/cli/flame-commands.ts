import { type Command, InvalidArgumentError, Option } from "commander";
import type { DiffFlags } from "./diff.ts";
import type { FlamegraphFlags } from "./flamegraph.ts";
import type { ViewFlags } from "./view.ts";

/** Adds the commands that show profiles as flame graphs. */
export function addFlameCommands(program: Command, exitWith: (code: number) => void): void {
  addFlamegraph(program, exitWith);
  addDiff(program, exitWith);
  addView(program, exitWith);
}

function addFlamegraph(program: Command, exitWith: (code: number) => void): void {
  withPictureOptions(
    program
      .command("flamegraph")
      .summary("turn a profile into a flame graph, as a page or a picture")
      .description(
        "Reads a profile in any known format and writes its flame graph: a page in one file, " +
          "which needs no network, or a picture without any program in it.",
      )
      .argument("<in>", "the profile to read, or - for standard input"),
  )
    .addHelpText("after", FLAMEGRAPH_EXAMPLES)
    .action(async (input: string, flags: FlamegraphFlags) => {
      const { runFlamegraph } = await import("./flamegraph.ts");
      exitWith(await runFlamegraph(input, flags));
    });
}

function addDiff(program: Command, exitWith: (code: number) => void): void {
  withPictureOptions(
    program
      .command("diff")
      .summary("show what changed between two profiles")
      .description(
        "Reads two profiles in any known formats and writes one flame graph of both: orange " +
          "where more is spent than before, blue where less, grey where nothing changed.",
      )
      .argument("<before>", "the profile to compare with, or - for standard input")
      .argument("<after>", "the profile that is compared, or - for standard input"),
  )
    .addOption(
      new Option(
        "--scale <how>",
        "how a picture makes both comparable: by share of the total, by rate (a second of one " +
          "instance), or absolute; a page lets its reader choose",
      )
        .choices(["share", "rate", "absolute"])
        .default("share"),
    )
    .addHelpText("after", DIFF_EXAMPLES)
    .action(async (before: string, after: string, flags: DiffFlags) => {
      const { runDiff } = await import("./diff.ts");
      exitWith(await runDiff(before, after, flags));
    });
}

function withPictureOptions(command: Command): Command {
  return command
    .requiredOption(
      "-o, --output <file>",
      "the file to write, .html or .svg, or - for standard output",
    )
    .option("--format <name>", "html or svg, when the file's name does not tell it")
    .option("--from <name>", "the format of what is read, when it does not tell it itself")
    .option("--title <text>", "what the flame graph is called (default: the file's name)")
    .option("--type <name>", "the sample type to show first, as cpu or inuse_space")
    .option("--width <pixels>", "how wide a picture is (default: 1200)", width)
    .option("--invert", "a picture from the leaves: what is called stands above who calls it");
}

function addView(program: Command, exitWith: (code: number) => void): void {
  program
    .command("view")
    .summary("look at profiles in the browser")
    .description(
      "Serves a page for this machine alone that shows these profiles; more can be dropped on " +
        "it. Opens the browser where there is a screen. Ctrl-C ends it.",
    )
    .argument("[file...]", "profiles to open, in any known format")
    .option("--port <number>", "the port to listen at (default: any that is free)", port, 0)
    .option("--no-open", "print the page's address and open nothing")
    .option("--diff", "show what changed from the first of two files to the second")
    .option("--from <name>", "the format of the files, when they do not tell it themselves")
    .addHelpText("after", VIEW_EXAMPLES)
    .action(async (files: string[], flags: ViewFlags) => {
      const { runView } = await import("./view.ts");
      exitWith(await runView(files, flags));
    });
}

/** Narrower pictures have no room for a name. */
const WIDTH_PIXELS_MIN = 200;
/** Twice as wide as an 8K screen. */
const WIDTH_PIXELS_MAX = 16_384;
/** What TCP has. */
const PORT_MAX = 65_535;

function width(text: string): number {
  const pixels = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (!(pixels >= WIDTH_PIXELS_MIN && pixels <= WIDTH_PIXELS_MAX)) {
    throw new InvalidArgumentError(
      `It is a whole number from ${WIDTH_PIXELS_MIN} to ${WIDTH_PIXELS_MAX}.`,
    );
  }
  return pixels;
}

function port(text: string): number {
  const number = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (!(number <= PORT_MAX)) {
    throw new InvalidArgumentError(`It is a whole number up to ${PORT_MAX}; 0 is any.`);
  }
  return number;
}

const FLAMEGRAPH_EXAMPLES = `
Examples:
  obsforge flamegraph cpu.pb.gz -o cpu.html
  obsforge flamegraph heap.pprof --type inuse_space -o heap.svg
  perf script | obsforge flamegraph - -o cpu.html
`;

const DIFF_EXAMPLES = `
Examples:
  obsforge diff monday.pb.gz tuesday.pb.gz -o change.html
  obsforge diff --scale rate before.otlp.pb after.otlp.pb -o change.svg
`;

const VIEW_EXAMPLES = `
Examples:
  obsforge view cpu.pb.gz
  obsforge view --diff monday.pb.gz tuesday.pb.gz
  obsforge view --no-open --port 8080
`;
