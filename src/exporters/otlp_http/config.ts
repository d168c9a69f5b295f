import type { Infer } from "../../config/field.ts";
import { choice, object, text } from "../../config/schema.ts";
import { deliveryFields, httpClientFields } from "../../transport/client-config.ts";

const OTHER_SIGNAL = {
  support: { level: "ignored", reason: "only profiles are sent" },
} as const;

export const otlpHttpConfig = object({
  endpoint: text({
    doc: "Where the server is, as `http://host:4318`; `/v1development/profiles` is appended.",
  }),
  profiles_endpoint: text({ doc: "The whole URL for profiles, in place of `endpoint`." }),
  encoding: choice(["proto", "json"], { doc: "How a batch is written.", default: "proto" }),
  ...httpClientFields("30s"),
  ...deliveryFields,
  traces_endpoint: text({ doc: "The whole URL for traces.", ...OTHER_SIGNAL }),
  metrics_endpoint: text({ doc: "The whole URL for metrics.", ...OTHER_SIGNAL }),
  logs_endpoint: text({ doc: "The whole URL for logs.", ...OTHER_SIGNAL }),
});

export type OtlpHttpConfig = Infer<typeof otlpHttpConfig>;
