import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseComponentId } from "../config/component-id.ts";
import type { ComponentDefinition } from "../pipeline/component.ts";
import { type ComponentFactory, componentApi } from "../pipeline/component-api.ts";
import { CollectorError, messageOf } from "../support/errors.ts";

const STABILITIES = ["development", "alpha", "beta", "stable"];
const KINDS = ["receiver", "processor", "exporter", "connector", "extension"];

/**
 * Loads a component that is not part of the program. It runs with all of the program's rights.
 *
 * @param name  a module's path (`./my-processor.ts`), or a package that the working folder has
 * @throws CollectorError CONFIG_INVALID  it cannot be loaded, or exports no definition
 */
export async function loadComponent(name: string): Promise<ComponentDefinition> {
  const module = await importModule(name);
  const factory = module["component"];
  if (typeof factory !== "function") {
    const mend = "export a function of that name that returns the definition";
    throw new CollectorError("CONFIG_INVALID", `--component ${name} exports no component: ${mend}`);
  }
  const definition = definitionOf(factory as ComponentFactory, name);
  const fault = faultOf(definition);
  if (fault === undefined) return definition as ComponentDefinition;
  throw new CollectorError("CONFIG_INVALID", `--component ${name}: its definition ${fault}`);
}

async function importModule(name: string): Promise<Record<string, unknown>> {
  try {
    const isPath = /^[./]/.test(name);
    const path = isPath ? resolve(name) : packagePath(name);
    return (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  } catch (error) {
    const reason = messageOf(error).split("\n")[0];
    throw new CollectorError("CONFIG_INVALID", `--component ${name} cannot be loaded: ${reason}`, {
      cause: error,
    });
  }
}

/** The module of a package that the working folder has. */
function packagePath(name: string): string {
  const { resolve: find } = createRequire(join(process.cwd(), "x"));
  // A package may have only an `import` condition.
  const options = { conditions: new Set(["node", "import", "default"]) };
  return find(name, options as object);
}

function definitionOf(factory: ComponentFactory, name: string): unknown {
  try {
    return factory(componentApi);
  } catch (error) {
    const reason = `--component ${name} cannot be made: ${messageOf(error)}`;
    throw new CollectorError("CONFIG_INVALID", reason, { cause: error });
  }
}

/** What a definition lacks, as the end of a sentence. */
function faultOf(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return "is no object";
  const definition = value as Partial<Record<string, unknown>>;
  const { kind, type, aliases, stability, config, create } = definition;
  if (!KINDS.includes(String(kind))) return `needs a kind: one of ${KINDS.join(", ")}`;
  if (!isTypeName(type)) return "needs a type of letters, digits and _";
  if (!Array.isArray(aliases) || !aliases.every(isTypeName))
    return "needs aliases: a list of types";
  if (!STABILITIES.includes(String(stability))) {
    return `needs a stability: one of ${STABILITIES.join(", ")}`;
  }
  const hasSchema = typeof config === "object" && config !== null && "schema" in config;
  if (!hasSchema) return "needs a config that api.schema.object has made";
  if (typeof create !== "function") return "needs a function create";
  if (kind === "processor" && typeof definition["changesBatches"] !== "boolean") {
    return "needs changesBatches: true when consume changes the batch, else false";
  }
  return undefined;
}

function isTypeName(value: unknown): boolean {
  return typeof value === "string" && !("fault" in parseComponentId(value)) && !value.includes("/");
}
