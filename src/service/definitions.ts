import type {
  ComponentDefinition,
  ComponentKind,
  ConnectorDefinition,
  ExporterDefinition,
  ExtensionDefinition,
  ProcessorDefinition,
  ReceiverDefinition,
} from "../pipeline/component.ts";
import { CollectorError } from "../support/errors.ts";

interface DefinitionOf {
  receiver: ReceiverDefinition;
  processor: ProcessorDefinition;
  exporter: ExporterDefinition;
  connector: ConnectorDefinition;
  extension: ExtensionDefinition;
}

/** The components that a configuration may name, by kind and by each of their names. */
export class Definitions {
  readonly all: readonly ComponentDefinition[];
  readonly #byName = new Map<string, ComponentDefinition>();

  /** @throws CollectorError CONFIG_INVALID  when two have the same kind and name */
  constructor(definitions: readonly ComponentDefinition[]) {
    this.all = definitions;
    for (const definition of definitions) {
      for (const name of [definition.type, ...definition.aliases]) {
        const key = `${definition.kind} ${name}`;
        if (this.#byName.has(key)) {
          throw new CollectorError("CONFIG_INVALID", `there are two components called "${key}"`);
        }
        this.#byName.set(key, definition);
      }
    }
  }

  find<Kind extends ComponentKind>(kind: Kind, name: string): DefinitionOf[Kind] | undefined {
    return this.#byName.get(`${kind} ${name}`) as DefinitionOf[Kind] | undefined;
  }

  /** Every name of a kind, for a message that says which there are. */
  namesOf(kind: ComponentKind): string[] {
    return this.all
      .filter((definition) => definition.kind === kind)
      .flatMap(({ type, aliases }) => [type, ...aliases])
      .sort();
  }
}
