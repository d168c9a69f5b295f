import { type Command, Option } from "commander";
import type { PrintFlags } from "./inspect-configuration.ts";
import type { ConfigFlags } from "./load-configuration.ts";

type ExitWith = (code: number) => void;

/** Adds what is called as the OpenTelemetry Collector's commands are. */
export function addCollectorCommands(program: Command, exitWith: ExitWith): void {
  addRun(program, exitWith);
  addValidate(program, exitWith);
  addPrintConfig(program, exitWith);
  addComponents(program, exitWith);
  addFeatureGate(program, exitWith);
}

function addRun(program: Command, exitWith: ExitWith): void {
  const command = program
    .command("run")
    .summary("run the pipelines of a configuration")
    .description(
      "Runs receivers, processors and exporters as the OpenTelemetry Collector's YAML says, " +
        "until Ctrl-C or SIGTERM; then delivers what was taken.",
    );
  addConfigOptions(command)
    .addHelpText("after", RUN_EXAMPLES)
    .action(async (flags: ConfigFlags) => {
      const { runCollector } = await import("./run.ts");
      exitWith(await runCollector(flags));
    });
}

function addValidate(program: Command, exitWith: ExitWith): void {
  const command = program
    .command("validate")
    .summary("check a configuration without running it")
    .description(
      "Says what is wrong, each fault with its file and line; exit code 0 when nothing is.",
    );
  addConfigOptions(command).action(async (flags: ConfigFlags) => {
    const { runValidate } = await import("./inspect-configuration.ts");
    exitWith(await runValidate(flags));
  });
}

function addPrintConfig(program: Command, exitWith: ExitWith): void {
  const command = program
    .command("print-config")
    .alias("print-initial-config")
    .summary("print the configuration as it was merged and expanded")
    .description("Merges every --config and --set, replaces variables, and prints the result.")
    .addOption(new Option("--format <name>", "how").choices(["yaml", "json"]).default("yaml"))
    .addOption(
      new Option("--mode <name>", "whether passwords and tokens are shown")
        .choices(["redacted", "unredacted"])
        .default("redacted"),
    )
    .option("--validate <bool>", "check it first", (text) => text !== "false", true);
  addConfigOptions(command).action(async (flags: PrintFlags) => {
    const { runPrintConfig } = await import("./inspect-configuration.ts");
    exitWith(await runPrintConfig(flags));
  });
}

function addComponents(program: Command, exitWith: ExitWith): void {
  program
    .command("components")
    .summary("list the components that a configuration may name")
    .option("--component <module>", COMPONENT_HELP, collect)
    .action(async ({ component }: ConfigFlags) => {
      const { runComponents } = await import("./inspect-configuration.ts");
      exitWith(await runComponents(component ?? []));
    });
}

function addFeatureGate(program: Command, exitWith: ExitWith): void {
  program
    .command("featuregate")
    .summary("list the feature gates")
    .argument("[id]", "only this one")
    .action(async (id: string | undefined) => {
      const { featureGateText } = await import("./feature-gates.ts");
      process.stdout.write(featureGateText(id));
      exitWith(0);
    });
}

function addConfigOptions(command: Command): Command {
  return command
    .option(
      "-c, --config <uri>",
      "a file, or env:NAME, yaml:TEXT, http(s)://… (repeatable: later ones are laid on top)",
      collect,
    )
    .option("--set <key=value>", "one value, as processors.symbolize.demangle=false", collect)
    .option("--component <module>", COMPONENT_HELP, collect)
    .option("--feature-gates <list>", "the Collector's gates; profiles are always on here");
}

function collect(text: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), text];
}

const COMPONENT_HELP =
  "a module that adds a component: ./my-processor.ts or a package (repeatable)";

const RUN_EXAMPLES = `
Examples:
  obsforge run --config config/agent.yaml
  obsforge run --config theirs.yaml --feature-gates=+service.profilesSupport
  obsforge run --config agent.yaml --set exporters.pprof.directory=/var/lib/profiles
`;
