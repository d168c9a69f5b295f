import {
  type ConfigPath,
  type ConfigSource,
  check,
  configError,
  pathText,
  type Remark,
} from "../config/check.ts";
import { parseComponentId } from "../config/component-id.ts";
import type { ComponentKind } from "../pipeline/component.ts";
import { type Configured, findCycle, type GraphSpec } from "../pipeline/graph-spec.ts";
import { nearestName } from "../support/nearest-name.ts";
import type { Definitions } from "./definitions.ts";
import { type ServiceConfig, serviceConfig } from "./service-config.ts";

/** A whole configuration, checked: what a service is made from. */
export interface Configuration {
  readonly graph: GraphSpec;
  readonly service: ServiceConfig;
  /** What has no effect, each with its place. */
  readonly warnings: readonly string[];
  /** Where a component stands: "agent.yaml:7: exporters::pprof". */
  readonly placeOf: (kind: ComponentKind, id: string) => string;
}

const sections = {
  receivers: "receiver",
  processors: "processor",
  exporters: "exporter",
  connectors: "connector",
  extensions: "extension",
} as const satisfies Record<string, ComponentKind>;

type Section = keyof typeof sections;

/**
 * Checks a configuration against the components that there are.
 *
 * @param value   the merged YAML, as plain data
 * @param source  where each value was written
 * @throws CollectorError CONFIG_INVALID  with every fault, each on a line with its place
 */
export function readConfiguration(
  value: unknown,
  source: ConfigSource,
  definitions: Definitions,
): Configuration {
  const reader = new Reader(source, definitions);
  const configuration = reader.read(value);
  if (reader.faults.length > 0 || configuration === undefined) {
    throw configError(reader.faults, source);
  }
  return configuration;
}

/** More are written by a machine that went wrong. */
const PIPELINES_MAX = 1000;

type Components = { readonly [Key in Section]: Map<string, Configured<never>> };

/** Collects every fault, so that a user mends all of them at once. */
class Reader {
  readonly faults: Remark[] = [];
  readonly #warnings: Remark[] = [];
  readonly #source: ConfigSource;
  readonly #definitions: Definitions;

  constructor(source: ConfigSource, definitions: Definitions) {
    this.#source = source;
    this.#definitions = definitions;
  }

  read(value: unknown): Configuration | undefined {
    const root = this.#mapAt(value, []);
    this.#checkTopLevel(Object.keys(root));
    const components = Object.fromEntries(
      Object.keys(sections).map((key) => [key, this.#components(key as Section, root[key])]),
    ) as unknown as Components;
    const service = this.#service(root["service"]);
    if (service === undefined) return undefined;
    this.#checkReferences(service, declaredIds(root));
    this.#checkUse(service, components);
    const graph = { ...components, pipelines: service.pipelines } as unknown as GraphSpec;
    this.#checkCycles(graph);
    const extensions = new Map(
      service.extensions.map((id) => [id, graph.extensions.get(id)] as const),
    ) as GraphSpec["extensions"];
    const placeOf = (kind: ComponentKind, id: string): string =>
      `${this.#source.where([`${kind}s`, id])}: ${kind}s::${id}`;
    const warnings = this.#warningTexts();
    return { graph: { ...graph, extensions }, service, warnings, placeOf };
  }

  #checkTopLevel(keys: readonly string[]): void {
    const known = [...Object.keys(sections), "service"];
    for (const key of keys.filter((name) => !known.includes(name))) {
      this.#fault([key], `${key} is no known key (did you mean ${nearestName(key, known)}?)`);
    }
  }

  #components(key: Section, value: unknown): Map<string, Configured<unknown>> {
    const found = new Map<string, Configured<unknown>>();
    for (const [id, body] of Object.entries(this.#mapAt(value, [key]))) {
      const configured = this.#component(sections[key], id, { path: [key, id], body });
      if (configured !== undefined) found.set(id, configured);
    }
    return found;
  }

  #component(
    kind: ComponentKind,
    id: string,
    { path, body }: { readonly path: ConfigPath; readonly body: unknown },
  ): Configured<unknown> | undefined {
    const parsed = parseComponentId(id);
    if ("fault" in parsed) {
      this.#fault(path, `${pathText(path)} is no ${kind}'s name: ${parsed.fault}`);
      return undefined;
    }
    const definition = this.#definitions.find(kind, parsed.type);
    if (definition === undefined) {
      this.#fault(path, this.#unknownType(kind, parsed.type, path));
      return undefined;
    }
    const { config: field } = definition;
    const result = check({ field, value: body, path, source: this.#source });
    this.faults.push(...result.faults);
    this.#warnings.push(...result.warnings);
    return { definition, config: result.config };
  }

  #unknownType(kind: ComponentKind, type: string, path: ConfigPath): string {
    const names = this.#definitions.namesOf(kind);
    const nearest = nearestName(type, names);
    const mend =
      nearest === undefined
        ? `there are no ${kind}s`
        : `did you mean ${nearest}? There are ${names.join(", ")}`;
    return `${pathText(path)}: there is no ${kind} "${type}" (${mend})`;
  }

  #service(value: unknown): ServiceConfig | undefined {
    const path = ["service"];
    if (value === undefined || value === null) {
      this.#fault(path, "service is missing: it says which pipelines run");
      return undefined;
    }
    const pipelines = this.#mapAt(this.#mapAt(value, path)["pipelines"], [...path, "pipelines"]);
    for (const id of Object.keys(pipelines)) this.#checkPipelineId(id, [...path, "pipelines", id]);
    const result = check({ field: serviceConfig, value, path, source: this.#source });
    this.faults.push(...result.faults);
    this.#warnings.push(...result.warnings);
    const count = Object.keys(pipelines).length;
    if (count > PIPELINES_MAX) {
      const message = `service::pipelines has ${count} pipelines: at most ${PIPELINES_MAX}`;
      this.#fault([...path, "pipelines"], message);
      return undefined;
    }
    if (result.config?.pipelines.size === 0) {
      this.#fault([...path, "pipelines"], "service::pipelines has no pipeline: add `profiles:`");
    }
    return result.config;
  }

  #checkReferences(service: ServiceConfig, declared: DeclaredIds): void {
    for (const [id, pipeline] of service.pipelines) {
      const path = ["service", "pipelines", id];
      for (const key of ["receivers", "processors", "exporters"] as const) {
        for (const [index, reference] of pipeline[key].entries()) {
          if (declared[key].includes(reference)) continue;
          if (key !== "processors" && declared.connectors.includes(reference)) continue;
          this.#undeclared([...path, key, index], reference, declared[key]);
        }
        this.#checkTwice(pipeline[key], [...path, key]);
      }
    }
    for (const [index, id] of service.extensions.entries()) {
      if (declared.extensions.includes(id)) continue;
      this.#undeclared(["service", "extensions", index], id, declared.extensions);
    }
  }

  #checkPipelineId(id: string, path: ConfigPath): void {
    const parsed = parseComponentId(id);
    if (!("fault" in parsed) && parsed.type === "profiles") return;
    const signals = ["traces", "metrics", "logs"];
    const isOther = !("fault" in parsed) && signals.includes(parsed.type);
    const reason = isOther
      ? `this program carries profiles only: leave ${id} to the Collector`
      : "a pipeline is called `profiles` or `profiles/name`";
    this.#fault(path, `${pathText(path)} cannot run: ${reason}`);
  }

  #undeclared(path: ConfigPath, reference: string, declared: readonly string[]): void {
    const key = path.at(-2);
    const nearest = nearestName(reference, declared);
    const mend = nearest === undefined ? "there are none" : `did you mean ${nearest}?`;
    this.#fault(
      path,
      `${pathText(path.slice(0, -1))} names "${reference}", which is not under ${key} (${mend})`,
    );
  }

  #checkTwice(references: readonly string[], path: ConfigPath): void {
    const twice = references.find((id, index) => references.indexOf(id) !== index);
    if (twice !== undefined) this.#fault(path, `${pathText(path)} names "${twice}" twice`);
  }

  #checkUse({ pipelines, extensions }: ServiceConfig, components: Components): void {
    const used = new Set(extensions.map((id) => `extensions ${id}`));
    for (const pipeline of pipelines.values()) {
      for (const key of ["receivers", "processors", "exporters"] as const) {
        for (const id of pipeline[key]) used.add(`${key} ${id}`);
      }
    }
    for (const key of Object.keys(sections) as Section[]) {
      for (const id of components[key].keys()) {
        if (key === "connectors") this.#checkConnector(id, used);
        else if (!used.has(`${key} ${id}`)) {
          const message = `${key}::${id} is configured and used by no pipeline`;
          this.#warnings.push({ path: [key, id], message });
        }
      }
    }
  }

  /** A connector that only one side uses would lose batches, or never send one. */
  #checkConnector(id: string, used: ReadonlySet<string>): void {
    const [asExporter, asReceiver] = [used.has(`exporters ${id}`), used.has(`receivers ${id}`)];
    const path = ["connectors", id];
    if (asExporter === asReceiver) return;
    const missing = asExporter ? "receivers of another" : "exporters of another";
    this.#fault(path, `connectors::${id} must also stand among the ${missing} pipeline`);
  }

  #checkCycles(graph: GraphSpec): void {
    const cycle = findCycle(graph);
    if (cycle === undefined) return;
    const path = ["service", "pipelines", cycle[0] ?? ""];
    this.#fault(path, `the pipelines run in a circle: ${cycle.join(" → ")}`);
  }

  #mapAt(value: unknown, path: ConfigPath): Record<string, unknown> {
    if (value === undefined || value === null) return {};
    if (typeof value === "object" && !Array.isArray(value)) return value as Record<string, unknown>;
    const what = path.length === 0 ? "the configuration" : pathText(path);
    this.#fault(path, `${what} must be a map of keys to values`);
    return {};
  }

  #fault(path: ConfigPath, message: string): void {
    this.faults.push({ path, message });
  }

  #warningTexts(): string[] {
    return this.#warnings.map(({ path, message }) => `${this.#source.where(path)}: ${message}`);
  }
}

type DeclaredIds = { readonly [Key in Section]: readonly string[] };

/** What is written under each section, right or wrong: a reference to it is right. */
function declaredIds(root: Record<string, unknown>): DeclaredIds {
  const ids = Object.keys(sections).map((key) => {
    const content = root[key];
    return [key, typeof content === "object" && content !== null ? Object.keys(content) : []];
  });
  return Object.fromEntries(ids) as DeclaredIds;
}
