import { systemEnvironment } from "../config/environment.ts";
import { type ResolvedConfig, resolveConfig } from "../config/resolve.ts";
import { type Configuration, readConfiguration } from "../service/configuration.ts";
import { Definitions } from "../service/definitions.ts";
import { checkFeatureGates } from "./feature-gates.ts";

/** The flags that say what runs, as commander hands them over. */
export interface ConfigFlags {
  readonly config?: readonly string[];
  readonly set?: readonly string[];
  readonly component?: readonly string[];
  readonly featureGates?: string;
}

export interface LoadedConfig {
  readonly resolved: ResolvedConfig;
  readonly definitions: Definitions;
  /** Checks the whole; throws CONFIG_INVALID with every fault. */
  readonly read: () => Configuration;
}

/**
 * Reads the sources of a configuration and the components that it may name.
 *
 * @param warn  gets one sentence for everything that has no effect
 */
export async function loadConfig(
  flags: ConfigFlags,
  warn: (message: string) => void,
): Promise<LoadedConfig> {
  for (const warning of checkFeatureGates(flags.featureGates ?? "")) warn(warning);
  const sources = { configs: flags.config ?? [], sets: flags.set ?? [] };
  const resolved = await resolveConfig(sources, systemEnvironment(warn));
  const definitions = await loadDefinitions(flags.component ?? []);
  const read = (): Configuration => readConfiguration(resolved.value, resolved, definitions);
  return { resolved, definitions, read };
}

/** Our components and those of `--component`. */
export async function loadDefinitions(external: readonly string[]): Promise<Definitions> {
  const { components } = await import("../components.ts");
  if (external.length === 0) return new Definitions(components);
  const { loadComponent } = await import("./external-components.ts");
  const loaded = await Promise.all(external.map(loadComponent));
  return new Definitions([...components, ...loaded]);
}
