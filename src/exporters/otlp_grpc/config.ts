import type { Infer } from "../../config/field.ts";
import { boolean, choice, duration, object, section, text } from "../../config/schema.ts";
import {
  bufferFields,
  clientAuth,
  clientHeaders,
  clientMiddlewares,
  deliveryFields,
  requestTimeout,
} from "../../transport/client-config.ts";
import { clientTlsConfig } from "../../transport/tls.ts";

const keepalive = section(
  {
    time: duration({
      doc: "A connection that is silent for this long is asked whether it lives.",
      default: "10s",
      min: "1s",
    }),
    timeout: duration({ doc: "How long the answer may take.", default: "10s", min: "1ms" }),
    permit_without_stream: boolean({ doc: "Also ask while nothing is sent.", default: false }),
  },
  { doc: "How a dead connection is found." },
);

export const otlpGrpcConfig = object({
  endpoint: text({
    doc:
      "Where the server is, as `host:4317` or `dns:///host:4317`. `https://` before it asks for " +
      "TLS whatever `tls::insecure` says; `http://` changes nothing.",
    required: true,
  }),
  headers: clientHeaders,
  timeout: requestTimeout("5s"),
  compression: choice(["gzip", "none", ""], {
    doc: "How messages are compressed. `snappy` and `zstd` are not there.",
    default: "gzip",
  }),
  tls: clientTlsConfig,
  keepalive,
  balancer_name: choice(["round_robin", "pick_first"], {
    doc: "Which of the addresses of a name is used: each in turn, or the first that answers.",
    default: "round_robin",
  }),
  wait_for_ready: boolean({
    doc: "Wait for a connection until the timeout, in place of failing at once.",
    default: false,
  }),
  authority: text({ doc: "The name that requests give as their host's.", default: "" }),
  user_agent: text({ doc: "The name that requests give as the sender's.", default: "" }),
  auth: clientAuth,
  middlewares: clientMiddlewares,
  ...bufferFields,
  ...deliveryFields,
});

export type OtlpGrpcConfig = Infer<typeof otlpGrpcConfig>;
