/**
 * The command line: flags to a command of src/cli/, errors to a sentence and an exit code.
 * The only file that ends the process.
 */
import { PROGRAM_NAME, programVersion } from "./support/program.ts";

await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<void> {
  // Asked for by scripts and probes at every start: answered before anything else is loaded.
  if (args.length === 1 && (args[0] === "--version" || args[0] === "-V")) {
    process.stdout.write(`${PROGRAM_NAME} ${programVersion()}\n`);
    return;
  }
  const { runCommandLine } = await import("./cli/command-line.ts");
  process.exit(await runCommandLine(args, programVersion()));
}
