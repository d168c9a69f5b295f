import type { Infer } from "../../config/field.ts";
import {
  any,
  boolean,
  duration,
  integer,
  list,
  map,
  object,
  optionalSection,
  section,
  text,
} from "../../config/schema.ts";
import { serverTlsConfig } from "../../transport/server/tls.ts";

const MIB = 1024 * 1024;

const notDone = (reason: string) => ({ level: "refused", reason }) as const;
const notNeeded = (reason: string) => ({ level: "ignored", reason }) as const;

const ONLY_PROFILES = { support: notNeeded("only profiles are taken") };

/** Keys of the Collector that both protocols have. */
const shared = {
  tls: serverTlsConfig,
  include_metadata: boolean({
    doc: "Headers of requests are not passed on.",
    default: false,
    support: notNeeded("headers of requests are not passed on"),
  }),
  auth: any({
    doc: "Who may send.",
    support: notDone("there is no authentication but tls::client_ca_file"),
  }),
  middlewares: list(any({ doc: "" }), {
    doc: "Extensions that see requests.",
    support: notDone("there are no middlewares"),
  }),
};

const buffer = (doc: string) =>
  integer({ doc, min: 0, support: notNeeded("buffers have the size that Node gives them") });

const keepalive = section(
  {
    server_parameters: section(
      {
        max_connection_idle: duration({
          doc: "A connection without a call is ended after this; 0 is never.",
          default: "10m",
        }),
        max_connection_age: duration({
          doc: "A connection is ended after this, once its calls are; 0 is never.",
          default: "0s",
        }),
        max_connection_age_grace: duration({
          doc: "How long its calls may then take; 0 is as long as they want.",
          default: "0s",
        }),
        time: duration({ doc: "A silent client is asked after this.", default: "2h", min: "10s" }),
        timeout: duration({ doc: "Who does not answer for this long is cut.", default: "20s" }),
      },
      { doc: "When connections end." },
    ),
    enforcement_policy: any({
      doc: "How often clients may ask.",
      support: notNeeded("every client may ask as often as HTTP/2 lets it"),
    }),
  },
  { doc: "Connections that nobody uses, or that are dead." },
);

const grpc = optionalSection(
  {
    endpoint: text({ doc: "Where to listen, as `host:port`.", default: "localhost:4317" }),
    max_recv_msg_size_mib: integer({
      doc: "The largest message, before and after it is inflated.",
      default: 4,
      min: 1,
      max: 64,
      unit: "MiB",
    }),
    max_concurrent_streams: integer({
      doc: "Calls of one connection at the same time.",
      default: 100,
      min: 1,
      max: 10_000,
    }),
    keepalive,
    transport: text({ doc: "`tcp`.", default: "tcp", support: notDone("only tcp is there") }),
    read_buffer_size: buffer("Bytes that are read at once."),
    write_buffer_size: buffer("Bytes that are written at once."),
    ...shared,
  },
  { doc: "OTLP over gRPC; off unless it is written, if only as `grpc:`." },
);

const http = optionalSection(
  {
    endpoint: text({ doc: "Where to listen, as `host:port`.", default: "localhost:4318" }),
    profiles_url_path: text({
      doc: "The path that profiles are sent to.",
      default: "/v1development/profiles",
    }),
    max_request_body_size: integer({
      doc: "The largest body, before and after it is inflated.",
      default: 20 * MIB,
      min: 1024,
      max: 64 * MIB,
      unit: "bytes",
    }),
    read_header_timeout: duration({
      doc: "How long a client may take for the headers of a request.",
      default: "10s",
      min: "1s",
      max: "5m",
    }),
    read_timeout: duration({
      doc: "How long it may take for the whole request.",
      default: "30s",
      min: "1s",
      max: "1h",
    }),
    idle_timeout: duration({
      doc: "A connection without a request is ended after this.",
      default: "1m",
      min: "1s",
      max: "1h",
    }),
    response_headers: map(text({ doc: "A value.", required: true }), {
      doc: "Headers that every answer gets.",
      support: notDone("answers have no headers of their own"),
    }),
    write_timeout: duration({
      doc: "How long an answer may take.",
      default: "0s",
      support: notNeeded("answers are a few bytes"),
    }),
    keep_alives_enabled: boolean({
      doc: "Whether a connection is used for more than one request.",
      default: true,
      support: notNeeded("connections are kept until idle_timeout"),
    }),
    compression_algorithms: list(text({ doc: "", required: true }), {
      doc: "Encodings of bodies that are taken.",
      support: notNeeded("gzip, zlib, deflate and zstd are always taken"),
    }),
    cors: any({
      doc: "Pages that may send from a browser.",
      support: notDone("requests of browsers are not taken"),
    }),
    traces_url_path: text({ doc: "The path of traces.", default: "/v1/traces", ...ONLY_PROFILES }),
    metrics_url_path: text({
      doc: "The path of metrics.",
      default: "/v1/metrics",
      ...ONLY_PROFILES,
    }),
    logs_url_path: text({ doc: "The path of logs.", default: "/v1/logs", ...ONLY_PROFILES }),
    ...shared,
  },
  { doc: "OTLP over HTTP, protobuf or JSON; off unless it is written, if only as `http:`." },
);

export const otlpConfig = object({
  protocols: section({ grpc, http }, { doc: "How profiles come in: at least one of them." }),
});

export type OtlpConfig = Infer<typeof otlpConfig>;
export type OtlpGrpcServerConfig = NonNullable<OtlpConfig["protocols"]["grpc"]>;
export type OtlpHttpServerConfig = NonNullable<OtlpConfig["protocols"]["http"]>;
