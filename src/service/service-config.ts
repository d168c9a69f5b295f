import type { Infer } from "../config/field.ts";
import {
  any,
  boolean,
  choice,
  integer,
  list,
  map,
  object,
  optionalSection,
  section,
  text,
} from "../config/schema.ts";

const notHere = (reason: string) => ({ level: "ignored", reason }) as const;

/** Where Prometheus is answered when nothing else is said, as otelcol does. */
export const METRICS_PORT = 8888;

const logs = section(
  {
    level: choice(["debug", "info", "warn", "error"], {
      doc: "The least level that is written.",
      default: "info",
    }),
    encoding: choice(["console", "json"], {
      doc: "Lines for people, or one JSON object a line.",
      default: "console",
    }),
    output_paths: list(text({ doc: "`stderr`, `stdout` or a file.", required: true }), {
      doc: "Where the log goes: `stderr`, `stdout` or files, which are appended to.",
      default: ["stderr"],
    }),
    initial_fields: map(any({ doc: "Text or a number." }), {
      doc: "Fields that stand on every line.",
    }),
    error_output_paths: list(text({ doc: "A file." }), {
      doc: "Faults of the logger itself go to standard error.",
      default: ["stderr"],
      support: notHere("faults of the logger itself go to standard error"),
    }),
    sampling: any({
      doc: "Not needed: no line is written for every sample.",
      support: notHere("no line is written for every sample"),
    }),
    processors: any({
      doc: "Own logs are not sent by OTLP.",
      support: notHere("own logs are not sent"),
    }),
    development: boolean({
      doc: "Not acted on.",
      default: false,
      support: notHere("lines are the same everywhere"),
    }),
    disable_caller: boolean({ doc: "Not needed: callers are never logged.", default: false }),
    disable_stacktrace: boolean({ doc: "Not needed: stacks are never logged.", default: false }),
  },
  { doc: "The program's own log." },
);

const prometheus = optionalSection(
  {
    host: text({ doc: "The address to listen on.", default: "localhost" }),
    port: integer({ doc: "The port.", default: METRICS_PORT, min: 0, max: 65_535 }),
    without_scope_info: any({ doc: "Not needed: there is no scope information." }),
    without_type_suffix: boolean({
      doc: "Counters of the Collector's own names, `otelcol_…`, do not end with `_total`.",
      default: true,
    }),
    without_units: boolean({
      doc: "The Collector's own names, `otelcol_…`, do not end with their unit.",
      default: true,
    }),
    with_resource_constant_labels: any({
      doc: "Own metrics carry no resource.",
      support: notHere("own metrics carry no resource"),
    }),
  },
  { doc: "Answers `GET /metrics` in Prometheus' text format." },
);

const reader = section(
  {
    pull: optionalSection(
      { exporter: section({ prometheus }, { doc: "How it is pulled." }) },
      { doc: "Metrics that somebody asks for." },
    ),
    periodic: any({
      doc: "Own metrics are not sent.",
      support: notHere("own metrics are pulled, not sent"),
    }),
  },
  { doc: "One way out for the metrics." },
);

const telemetry = section(
  {
    logs,
    metrics: section(
      {
        level: choice(["none", "basic", "normal", "detailed"], {
          doc: "`none` turns the metrics off; the others are the same.",
          default: "normal",
        }),
        readers: list(reader, {
          doc: "Who may ask: one pull reader with `prometheus` each.",
          default: [{ pull: { exporter: { prometheus: {} } } }],
        }),
        address: text({
          doc: "The older form of a reader's host and port.",
          support: notHere("use readers, as otelcol does since 0.123"),
        }),
        views: any({ doc: "Not acted on.", support: notHere("series are not renamed or dropped") }),
      },
      { doc: "The program's own metrics." },
    ),
    resource: any({
      doc: "Attributes of the program itself.",
      support: notHere("own metrics carry no resource"),
    }),
    traces: any({
      doc: "The program does not trace itself.",
      support: notHere("the program does not trace itself"),
    }),
  },
  { doc: "What the program says of itself." },
);

const componentId = (doc: string) => text({ doc, required: true });

const pipeline = section(
  {
    receivers: list(componentId("A receiver or connector."), {
      doc: "Where profiles come from.",
      minLength: 1,
    }),
    processors: list(componentId("A processor."), { doc: "What happens to them, in this order." }),
    exporters: list(componentId("An exporter or connector."), {
      doc: "Where they go, to all of them.",
      minLength: 1,
    }),
  },
  { doc: "One pipeline." },
);

/** The key `service` of a configuration. */
export const serviceConfig = object({
  telemetry,
  extensions: list(componentId("An extension."), { doc: "Extensions to start, in this order." }),
  pipelines: map(pipeline, { doc: "By `profiles` or `profiles/name`." }),
});

export type ServiceConfig = Infer<typeof serviceConfig>;
export type LogsConfig = ServiceConfig["telemetry"]["logs"];
export type MetricsConfig = ServiceConfig["telemetry"]["metrics"];
