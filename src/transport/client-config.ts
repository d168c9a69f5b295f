import type { Infer, Support } from "../config/field.ts";
import {
  any,
  boolean,
  choice,
  duration,
  integer,
  list,
  map,
  number,
  optionalSection,
  secret,
  section,
  text,
} from "../config/schema.ts";
import type { ComponentContext } from "../pipeline/component.ts";
import { PROGRAM_NAME, programVersion } from "../support/program.ts";
import { httpCompressions } from "./compression.ts";
import { HttpClient } from "./http-client.ts";
import { clientTlsConfig, loadClientTls } from "./tls.ts";

/**
 * The options that clients have in common, with the Collector's names and defaults, to be spread
 * into the schema of an exporter.
 */

function ignored(reason: string): { readonly support: Support } {
  return { support: { level: "ignored", reason } };
}

function refused(reason: string): { readonly support: Support } {
  return { support: { level: "refused", reason } };
}

/** Sent with every request; values are never printed. */
export const clientHeaders = map(secret({ doc: "" }), {
  doc: "Headers of every request; their values are never printed.",
  alsoPairs: true,
});

const NO_AUTHENTICATOR = "there are no extensions that authenticate yet; give the token in headers";

/** How a client proves who it is. */
export const clientAuth = optionalSection(
  { authenticator: text({ doc: "The id of an extension." }) },
  { doc: "An extension that authenticates the requests.", ...refused(NO_AUTHENTICATOR) },
);

/** Functions between a client and its requests. */
export const clientMiddlewares = list(any({ doc: "" }), {
  doc: "Extensions that change requests.",
  ...refused("there are no extensions that change requests"),
});

const OWN_BUFFERS = ignored("Node chooses the size of its buffers");

/** Bytes of the buffers of a connection. */
export const bufferFields = {
  read_buffer_size: integer({ doc: "Bytes of the read buffer.", default: 0, ...OWN_BUFFERS }),
  write_buffer_size: integer({ doc: "Bytes of the write buffer.", default: 0, ...OWN_BUFFERS }),
};

/** How long one request may take. */
export function requestTimeout(usual: string) {
  const doc = "For one request and its answer; `0s` is no limit.";
  return duration({ doc, default: usual });
}

const NOT_QUEUED = ignored("a batch is sent when it comes, and none waits in a queue yet");
const NOT_RETRIED = ignored("a failed batch is counted and not sent again yet");
const NOT_STORED = refused("batches are not kept on disk yet");

const queueBatch = optionalSection(
  {
    flush_timeout: duration({ doc: "How long a batch may grow.", default: "200ms" }),
    min_size: integer({ doc: "A batch of this size is sent.", default: 8192, min: 0 }),
    max_size: integer({ doc: "A larger batch is split; 0 is never.", default: 0, min: 0 }),
    sizer: choice(["items", "bytes"], { doc: "What the sizes count.", default: "items" }),
    partition: optionalSection(
      { metadata_keys: list(text({ doc: "", required: true }), { doc: "Request headers." }) },
      { doc: "Batches are kept apart by these." },
    ),
  },
  { doc: "Batches that are put together before they are sent.", ...NOT_QUEUED },
);

/** `sending_queue` and `retry_on_failure`: taken as the Collector takes them, and not acted on. */
export const deliveryFields = {
  sending_queue: section(
    {
      enabled: boolean({
        doc: "Whether batches wait in a queue: not yet, a few are on their way at a time.",
        default: true,
      }),
      num_consumers: integer({
        doc: "Batches that are sent at the same time.",
        default: 10,
        min: 1,
        ...NOT_QUEUED,
      }),
      queue_size: integer({ doc: "Size of the queue.", default: 1000, min: 1, ...NOT_QUEUED }),
      sizer: choice(["requests", "items", "bytes"], {
        doc: "What the size counts.",
        default: "requests",
        ...NOT_QUEUED,
      }),
      wait_for_result: boolean({
        doc: "Whether who gives a batch waits until it is sent.",
        default: false,
        ...NOT_QUEUED,
      }),
      block_on_overflow: boolean({
        doc: "Whether who gives a batch waits while the queue is full.",
        default: false,
        ...NOT_QUEUED,
      }),
      storage: text({ doc: "The id of an extension that keeps the queue.", ...NOT_STORED }),
      batch: queueBatch,
    },
    { doc: "Batches that wait to be sent." },
  ),
  retry_on_failure: section(
    {
      enabled: boolean({
        doc: "Whether a failed batch is sent again: not yet, it is counted.",
        default: true,
      }),
      initial_interval: duration({ doc: "The first wait.", default: "5s", ...NOT_RETRIED }),
      randomization_factor: number({
        doc: "How much a wait varies.",
        default: 0.5,
        min: 0,
        max: 1,
        ...NOT_RETRIED,
      }),
      multiplier: number({
        doc: "Each wait is this much longer.",
        default: 1.5,
        min: 0,
        ...NOT_RETRIED,
      }),
      max_interval: duration({ doc: "The longest wait.", default: "30s", ...NOT_RETRIED }),
      max_elapsed_time: duration({
        doc: "After this time a batch is given up; `0s` is never.",
        default: "300s",
        ...NOT_RETRIED,
      }),
    },
    { doc: "What happens to a batch that was not delivered." },
  ),
};

const HTTP_1 = ignored("requests are sent by HTTP/1.1");

const connectionFields = {
  max_conns_per_host: integer({
    doc: "Connections at the same time; 0 is no limit.",
    default: 0,
    min: 0,
  }),
  max_idle_conns: integer({ doc: "Connections kept without a request.", default: 100, min: 0 }),
  max_idle_conns_per_host: integer({
    doc: "The same for one host; 0 is `max_idle_conns`.",
    default: 0,
    min: 0,
  }),
  idle_conn_timeout: duration({
    doc: "How long a connection is kept without a request; `0s` is for ever.",
    default: "90s",
  }),
  disable_keep_alives: boolean({
    doc: "A new connection for each request.",
    default: false,
  }),
  http2_read_idle_timeout: duration({ doc: "For HTTP/2.", default: "0s", ...HTTP_1 }),
  http2_ping_timeout: duration({ doc: "For HTTP/2.", default: "0s", ...HTTP_1 }),
  force_attempt_http2: boolean({ doc: "For HTTP/2.", default: true, ...HTTP_1 }),
};

const compressionParams = section(
  {
    level: integer({
      doc: "1 is fast, 9 small (of zstd, 22); 0 and -1 are what the method does by itself.",
      default: 0,
      min: -1,
      max: 22,
    }),
  },
  { doc: "How the method works." },
);

/**
 * Everything but the endpoint of a client that posts over HTTP.
 *
 * @param usualTimeout  the default of `timeout`, as "30s"
 */
export function httpClientFields(usualTimeout: string) {
  return {
    headers: clientHeaders,
    timeout: requestTimeout(usualTimeout),
    compression: choice(httpCompressions, {
      doc: "How bodies are compressed. `snappy` and `lz4` are not there, since Node has neither.",
      default: "gzip",
    }),
    compression_params: compressionParams,
    tls: clientTlsConfig,
    auth: clientAuth,
    middlewares: clientMiddlewares,
    proxy_url: text({
      doc: "A proxy between this host and the endpoint.",
      default: "",
      ...refused("requests go straight to the endpoint"),
    }),
    cookies: section(
      { enabled: boolean({ doc: "", default: false, ...ignored("cookies are not kept") }) },
      { doc: "Whether the server's cookies are sent back to it." },
    ),
    ...connectionFields,
    ...bufferFields,
  };
}

type Checked<Record> = { readonly [Key in keyof Record]: Infer<Record[Key]> };

export type HttpClientConfig = Checked<ReturnType<typeof httpClientFields>>;

/** A client that is made as the configuration says, and reads the files of its `tls` section. */
export async function createHttpClient(
  config: HttpClientConfig,
  { clock, usesTls }: Pick<ComponentContext, "clock"> & { readonly usesTls: boolean },
): Promise<HttpClient> {
  const { max_idle_conns: idle, max_idle_conns_per_host: idlePerHost } = config;
  return new HttpClient({
    headers: config.headers,
    userAgent: ownUserAgent(),
    timeoutMs: config.timeout,
    compression: config.compression,
    compressionLevel: config.compression_params.level,
    ...(usesTls && { tls: await loadClientTls(config.tls) }),
    connections: {
      connectionsMax: config.max_conns_per_host,
      idleConnectionsMax: idlePerHost > 0 ? Math.min(idle, idlePerHost) : idle,
      idleTimeoutMs: config.idle_conn_timeout,
      keepAlive: !config.disable_keep_alives,
    },
    clock,
  });
}

/** What requests are signed with where the configuration gives no other name. */
export function ownUserAgent(): string {
  return `${PROGRAM_NAME}/${programVersion()}`;
}
