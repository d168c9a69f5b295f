import { configInvalid } from "./faults.ts";
import { nestedMap, pathSteps } from "./merge.ts";
import type { MapNode } from "./node.ts";
import { readYaml } from "./yaml.ts";

/** The map that a `--set=processors.batch.timeout=2s` stands for. The value is read as YAML. */
export function readSetOption(option: string): MapNode {
  const equals = option.indexOf("=");
  const path = option.slice(0, Math.max(equals, 0)).trim();
  if (path === "") {
    throw configInvalid(`--set ${path}`.trim(), "write it as --set=key.key=value");
  }
  const label = `--set ${path}`;
  const yaml = readYaml(option.slice(equals + 1).trim(), { label });
  if ("fault" in yaml) throw yaml.fault;
  const steps = pathSteps(path, /\.|::/, label);
  return nestedMap(steps, { ...yaml.node, place: label });
}
