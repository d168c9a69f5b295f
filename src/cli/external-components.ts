import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { ComponentDefinition } from "../pipeline/component.ts";
import { type ComponentFactory, componentApi } from "../pipeline/component-api.ts";
import { CollectorError, messageOf } from "../support/errors.ts";

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
  const definition: unknown = (factory as ComponentFactory)(componentApi);
  if (isDefinition(definition)) return definition;
  const needs = `kind (${KINDS.join(", ")}), type, aliases, stability, config and create`;
  throw new CollectorError("CONFIG_INVALID", `--component ${name}: its definition needs ${needs}`);
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

function isDefinition(value: unknown): value is ComponentDefinition {
  if (typeof value !== "object" || value === null) return false;
  const { kind, type, aliases, config, create } = value as Partial<ComponentDefinition>;
  return (
    KINDS.includes(String(kind)) &&
    typeof type === "string" &&
    Array.isArray(aliases) &&
    typeof config?.schema === "object" &&
    typeof create === "function"
  );
}
