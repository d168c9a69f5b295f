import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { isCollectorError, messageOf } from "../support/errors.ts";
import { escapeControl } from "../support/logger.ts";
import { nearestName } from "../support/nearest-name.ts";
import { addCollectorCommands } from "./collector-commands.ts";
import { EXIT_FAILURE, EXIT_USAGE } from "./exit-codes.ts";
import { addFlameCommands } from "./flame-commands.ts";
import type { SymbolizeFlags } from "./symbolize.ts";

/**
 * Reads the command line and runs the command that it names.
 *
 * @returns the exit code; never throws
 */
export async function runCommandLine(args: readonly string[], version: string): Promise<number> {
  let exitCode = 0;
  const program = createProgram(version, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    return reportError(error);
  }
}

function createProgram(version: string, exitWith: (code: number) => void): Command {
  const program = new Command("obsforge")
    .description("Continuous profiling for Linux: where time goes, by function and line.")
    .version(`obsforge ${version}`, "-V, --version", "print the version")
    .helpOption("-h, --help", "explain a command")
    .helpCommand("help [command]", "explain a command")
    .enablePositionalOptions()
    .showHelpAfterError("Run it with --help to see what it takes.")
    .exitOverride()
    .addHelpText("after", ROOT_EXAMPLES);
  addRecord(program, exitWith);
  addCollectorCommands(program, exitWith);
  addFlameCommands(program, exitWith);
  addConvert(program, exitWith);
  addSymbolize(program, exitWith);
  addDoctor(program, exitWith);
  for (const command of [program, ...program.commands]) nameTheNearest(command);
  return program;
}

/** Has an unknown flag or command answered with the nearest right one, however far it is. */
function nameTheNearest(command: Command): void {
  const flags = command.options.flatMap(({ long, short }) => [long, short]);
  const names = [...flags, "--help"].filter((flag) => flag !== undefined && flag !== null);
  const commands = command.commands.map((child) => child.name());
  command.showSuggestionAfterError(false).configureOutput({
    outputError(text, write) {
      const [, kind, wrong] = /unknown (option|command) '(.+?)'/.exec(text) ?? [];
      const nearest = nearestName(wrong ?? "", kind === "command" ? commands : names);
      write(wrong === undefined ? text : `${text.trimEnd()} (did you mean ${nearest}?)\n`);
    },
  });
}

function addRecord(program: Command, exitWith: (code: number) => void): void {
  program
    .command("record")
    .summary("profile processes on the CPU into one file")
    .description(
      "Samples what runs on the CPUs, names the functions, and writes one profile: of one " +
        "process, of a command and its children, or of the whole host.",
    )
    .argument("[command...]", "run this command and profile it with its children until it ends")
    .option("-p, --pid <pid>", "profile this process and its future children (repeatable)", addPid)
    .option("-a, --all", "profile every process (the default without -p and command)")
    .option("-d, --duration <seconds>", "stop after this many seconds", positiveNumber)
    .option("-F, --frequency <hz>", "samples a second on each CPU", frequency, 99)
    .option("-o, --output <file>", "the file to write, or - for standard output", "profile.pb.gz")
    .addOption(new Option("--format <name>", "the format, when the file's name does not tell it"))
    .option("--timestamps", "keep a timestamp for every sample where the format has room for it")
    .option("--no-demangle", "print C++ and Rust names as they stand in the symbol table")
    .option("-q, --quiet", "no progress and no summary")
    .passThroughOptions()
    .addHelpText("after", RECORD_EXAMPLES)
    .action(async (command: string[], options: RecordFlags) => {
      const { runRecord } = await import("./record.ts");
      exitWith(await runRecord({ ...options, command }));
    });
}

/** The flags of `record` as commander hands them over. */
export interface RecordFlags {
  readonly pid?: readonly number[];
  readonly all?: boolean;
  readonly duration?: number;
  readonly frequency: number;
  readonly output: string;
  readonly format?: string;
  readonly timestamps?: boolean;
  readonly demangle: boolean;
  readonly quiet?: boolean;
}

function addConvert(program: Command, exitWith: (code: number) => void): void {
  program
    .command("convert")
    .summary("turn a profile into another format")
    .description(
      "Reads a profile in any known format and writes it in another. Formats are told by the " +
        "file's extension, else by its content.",
    )
    .argument("<in>", "the profile to read, or - for standard input")
    .argument("<out>", "the file to write, or - for standard output")
    .option("--from <name>", "the format of <in>")
    .option("--to <name>", "the format of <out>")
    .addHelpText("after", CONVERT_EXAMPLES)
    .action(async (input: string, output: string, options: { from?: string; to?: string }) => {
      const { runConvert } = await import("./convert.ts");
      exitWith(await runConvert({ ...options, input, output }));
    });
}

function addSymbolize(program: Command, exitWith: (code: number) => void): void {
  program
    .command("symbolize")
    .summary("name addresses by function, file and line")
    .description(
      "Prints the function, the file and the line of addresses, and the calls that were inlined " +
        "there, innermost first. Addresses of a file are its own virtual addresses.",
    )
    .option("-b, --binary <file>", "a program, library or debug file")
    .option("-p, --pid <pid>", "a running process, whose own addresses are given", onePid)
    .option("--perf-map <file>", "a map that a runtime wrote, as /tmp/perf-PID.map")
    .option("--jitdump <file>", "a jitdump file")
    .option("--kallsyms <file>", "a copy of /proc/kallsyms")
    .option("-a, --addr <hex>", "an address (repeatable)", collected)
    .option("--stdin", "read addresses from standard input, one a line, and answer as they come")
    .option("--json", "print one JSON object for each address")
    .option("--no-inlines", "leave out the calls that were inlined")
    .option("--no-demangle", "print C++ and Rust names as they are stored")
    .option("--debug-dir <folder>", "look for debug files here too (repeatable)", collected)
    .option("--debuginfod [urls]", "ask these servers, else those that the system names")
    .option("--index", "keep an index of the binary, from which the next runs are answered")
    .addHelpText("after", SYMBOLIZE_EXAMPLES)
    .action(async (flags: SymbolizeFlags) => {
      const { runSymbolize } = await import("./symbolize.ts");
      exitWith(await runSymbolize(flags));
    });
}

function addDoctor(program: Command, exitWith: (code: number) => void): void {
  program
    .command("doctor")
    .summary("say what this machine lets the profiler do")
    .description(
      "Checks the kernel, the rights and the libraries, and says what can run here and, for " +
        "what cannot, why and the mend. Exit code 0 when the eBPF receiver can run.",
    )
    .option("--json", "print one JSON object")
    .addHelpText("after", DOCTOR_EXAMPLES)
    .action(async (options: { json?: boolean }) => {
      const { runDoctor } = await import("./doctor.ts");
      exitWith(await runDoctor({ json: options.json ?? false }, process.stdout));
    });
}

function collected(text: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), text];
}

function onePid(text: string): number {
  return addPid(text, undefined)[0] as number;
}

/** Prints an error as a person wants to read it and returns the exit code that goes with it. */
function reportError(error: unknown): number {
  // Commander has printed its own message, with the nearest right name.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  if (isCollectorError(error)) {
    // A configuration may have several faults, each on a line of its own.
    for (const line of error.message.split("\n")) {
      process.stderr.write(`obsforge: ${escapeControl(line)}\n`);
    }
    return error.code === "CONFIG_INVALID" ? EXIT_USAGE : EXIT_FAILURE;
  }
  const detail = error instanceof Error && error.stack ? error.stack : messageOf(error);
  process.stderr.write(`obsforge: a fault of the program itself: ${detail}\n`);
  return EXIT_FAILURE;
}

/** Processes that one recording may name; more are better taken with -a. */
const PIDS_MAX = 1024;
const PID_MAX = 2 ** 22;
/** Above this a kernel spends more on the timer than on the profile. */
const FREQUENCY_HZ_MAX = 10_000;
/** 24 days: what a timer of the runtime can wait, which counts milliseconds in 31 bits. */
const DURATION_SECONDS_MAX = 2_000_000;

function addPid(text: string, before: readonly number[] | undefined): number[] {
  const pid = wholeNumber(text);
  if (!(pid >= 1 && pid <= PID_MAX)) {
    throw new InvalidArgumentError("A process id is a whole number, as `pidof NAME` prints it.");
  }
  const pids = [...(before ?? []), pid];
  if (pids.length > PIDS_MAX) throw new InvalidArgumentError(`At most ${PIDS_MAX} processes.`);
  return pids;
}

function positiveNumber(text: string): number {
  const value = /^(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : Number.NaN;
  if (!(value > 0 && value <= DURATION_SECONDS_MAX)) {
    throw new InvalidArgumentError(
      `It is a number of seconds above 0, as 10 or 0.5, up to ${DURATION_SECONDS_MAX}.`,
    );
  }
  return value;
}

/** NaN for anything but decimal digits: 1e3 or 0x10 is a typing error, not a number. */
function wholeNumber(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : Number.NaN;
}

function frequency(text: string): number {
  const hz = wholeNumber(text);
  if (!(hz >= 1 && hz <= FREQUENCY_HZ_MAX)) {
    throw new InvalidArgumentError(`It is a whole number from 1 to ${FREQUENCY_HZ_MAX}.`);
  }
  return hz;
}

const ROOT_EXAMPLES = `
Examples:
  obsforge record -p 1234 -d 10 -o cpu.pb.gz     ten seconds of one process, for go tool pprof
  obsforge record -o build.speedscope.json -- make -j4
  obsforge run --config config/agent.yaml        all day, as the Collector's YAML says
  obsforge flamegraph cpu.pb.gz -o cpu.html      a flame graph in one file
  obsforge view cpu.pb.gz                        the same in the browser
  obsforge convert cpu.pb.gz cpu.folded
  obsforge doctor                                what this machine lets the profiler do
`;

const RECORD_EXAMPLES = `
Formats, by the extension of the file:
  .pb.gz              pprof, for go tool pprof and Pyroscope
  .folded             one stack a line, for flamegraph.pl
  .speedscope.json    for speedscope.app
  .otlp.pb .otlp.json OpenTelemetry profiles
  .html               a flame graph that any browser opens
  .svg                a picture of it

Examples:
  obsforge record -p 1234 -d 10 -o cpu.pb.gz
  obsforge record -F 999 -o out.folded -- ./program --its-own-flag
  obsforge record -p 1234 -d 10 -o cpu.html
  obsforge record -a -d 30 -o host.otlp.pb
  obsforge record -p 1234 -d 5 -o - --format folded | flamegraph.pl > cpu.svg
`;

const CONVERT_EXAMPLES = `
Examples:
  obsforge convert cpu.pb.gz cpu.speedscope.json
  obsforge convert profiles.otlp.pb cpu.pb.gz
  perf script | obsforge convert --from perf_script - cpu.pb.gz
  obsforge convert cpu.pb.gz - --to folded | head
`;

const SYMBOLIZE_EXAMPLES = `
Examples:
  obsforge symbolize --binary ./program --addr 0x4012ab
  obsforge symbolize --binary /usr/lib/libssl.so.3 --stdin --json < addresses
  obsforge symbolize --pid 1234 --addr 0x7f52c0a31b80
  obsforge symbolize --perf-map /tmp/perf-1234.map --addr 0x7f1e39896000
`;

const DOCTOR_EXAMPLES = `
Examples:
  obsforge doctor
  obsforge doctor --json | jq .can_run
`;
