/**
 * A processor from outside of the program: it drops the samples of processes by name, and counts
 * what it dropped. Only types are imported, so the file can stand anywhere.
 *
 *     obsforge run --component ./docs/examples/drop-processes.ts --config agent.yaml
 */
import type { Infer } from "../../src/config/field.ts";
import type {
  Processor,
  ProcessorDefinition,
  SourceContext,
} from "../../src/pipeline/component.ts";
import type { ComponentApi } from "../../src/pipeline/component-api.ts";
import type { ProfileBatch, ResourceProfiles } from "../../src/profiles/profile.ts";

export const component = (api: ComponentApi): ProcessorDefinition<Config> => ({
  kind: "processor",
  type: "drop_processes",
  aliases: [],
  stability: "alpha",
  config: configOf(api),
  // What is left goes into a batch of its own; the one that came stays as it is.
  changesBatches: false,
  create: (config, context) => dropProcesses(api, config, context),
});

type Config = Infer<ReturnType<typeof configOf>>;

function configOf({ schema }: ComponentApi) {
  const name = schema.text({ doc: "A name.", required: true });
  return schema.object({
    names: schema.list(name, {
      doc: "Names of executables, as `process.executable.name` has them.",
      minLength: 1,
    }),
  });
}

function dropProcesses(api: ComponentApi, config: Config, context: SourceContext): Processor {
  const names = new Set(config.names);
  const dropped = context.metrics.counter(
    "obsforge_processor_dropped_samples",
    "Samples that were not passed on.",
    { reason: "process_name" },
  );
  const isKept = ({ resource }: ResourceProfiles): boolean =>
    !resource.attributes.some(
      ({ key, value }) =>
        key === "process.executable.name" && value.type === "string" && names.has(value.value),
    );

  return {
    async start() {},
    // Nothing waits here: who gives a batch waits until it is passed on.
    async stop() {},
    async consume(batch) {
      const kept = keptPart(api, batch, isKept);
      dropped.add(batch.sampleCount - kept.sampleCount);
      if (kept.sampleCount > 0) await context.next.consume(kept);
    },
  };
}

/** The batch itself when all of it is kept. */
function keptPart(
  api: ComponentApi,
  batch: ProfileBatch,
  isKept: (resource: ResourceProfiles) => boolean,
): ProfileBatch {
  const resources = batch.resourceProfiles.filter(isKept);
  if (resources.length === batch.resourceProfiles.length) return batch;
  const part = new api.ProfileBatch(batch.dictionary);
  part.resourceProfiles.push(...resources);
  // Copied with what it refers to, so that no name of a dropped process travels on.
  const kept = new api.ProfileBatch();
  api.mergeInto(kept, part);
  return kept;
}
