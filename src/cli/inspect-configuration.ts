/** `validate`, `print-config`, `components`: what a configuration says, without a start. */
import { parseComponentId } from "../config/component-id.ts";
import type { AnyField } from "../config/field.ts";
import { printConfig } from "../config/print.ts";
import { redacted } from "../config/redact.ts";
import type { ComponentKind, Stability } from "../pipeline/component.ts";
import type { Definitions } from "../service/definitions.ts";
import { Service } from "../service/service.ts";
import { serviceConfig } from "../service/service-config.ts";
import { createLogger } from "../support/logger.ts";
import { PROGRAM_NAME, programVersion } from "../support/program.ts";
import { type ConfigFlags, loadConfig, loadDefinitions } from "./load-configuration.ts";

export interface PrintFlags extends ConfigFlags {
  readonly format: "yaml" | "json";
  readonly mode: "redacted" | "unredacted";
  readonly validate: boolean;
}

/** Says nothing on standard output when the configuration is right; throws when it is not. */
export async function runValidate(flags: ConfigFlags): Promise<number> {
  const { read } = await loadConfig(flags, warn);
  const configuration = read();
  for (const warning of configuration.warnings) warn(warning);
  // Some faults only a component itself can tell; none of them is started.
  const logger = createLogger("error", () => {});
  await using _service = await Service.create(configuration, { logger });
  return 0;
}

/** Prints the merged and expanded configuration. */
export async function runPrintConfig(flags: PrintFlags): Promise<number> {
  const { resolved, definitions, read } = await loadConfig(flags, warn);
  if (flags.validate) read();
  const shown =
    flags.mode === "unredacted" ? resolved.value : redactedConfig(resolved.value, definitions);
  process.stdout.write(printConfig(shown as never, flags.format));
  return 0;
}

/** Prints every component and its stability, as YAML. */
export async function runComponents(external: readonly string[]): Promise<number> {
  const { all } = await loadDefinitions(external);
  const listed = (kind: ComponentKind): object[] =>
    all
      .filter((definition) => definition.kind === kind)
      .map(({ type, aliases, stability }) => ({
        name: type,
        ...(aliases.length > 0 && { aliases }),
        stability: { profiles: capitalized(stability) },
      }));
  const version = programVersion();
  const buildinfo = { command: PROGRAM_NAME, description: "Observability Forge", version };
  const lists = Object.fromEntries(sections.map(([key, kind]) => [key, listed(kind)]));
  process.stdout.write(printConfig({ buildinfo, ...lists } as never, "yaml"));
  return 0;
}

const sections: readonly (readonly [string, ComponentKind])[] = [
  ["receivers", "receiver"],
  ["processors", "processor"],
  ["exporters", "exporter"],
  ["connectors", "connector"],
  ["extensions", "extension"],
];

function redactedConfig(
  value: Readonly<Record<string, unknown>>,
  definitions: Definitions,
): object {
  const entries = Object.entries(value).map(([key, content]) => {
    if (key === "service") return [key, redacted(serviceConfig, content)];
    const kind = sections.find(([section]) => section === key)?.[1];
    if (kind === undefined || typeof content !== "object")
      return [key, redacted(undefined, content)];
    const bodies = Object.entries(content ?? {}).map(([id, body]) => [
      id,
      redacted(fieldOf(kind, id, definitions), body),
    ]);
    return [key, Object.fromEntries(bodies)];
  });
  return Object.fromEntries(entries) as object;
}

function fieldOf(kind: ComponentKind, id: string, definitions: Definitions): AnyField | undefined {
  const parsed = parseComponentId(id);
  return "fault" in parsed ? undefined : definitions.find(kind, parsed.type)?.config;
}

function capitalized(stability: Stability): string {
  return stability.slice(0, 1).toUpperCase() + stability.slice(1);
}

function warn(message: string): void {
  process.stderr.write(`obsforge: warning: ${message}\n`);
}
