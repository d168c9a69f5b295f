import type { Infer } from "../../config/field.ts";
import { choice, list, map, object, optionalSection, secret, text } from "../../config/schema.ts";
import { deliveryFields, httpClientFields } from "../../transport/client-config.ts";
import { httpCompressions } from "../../transport/compression.ts";

/** What places a process, but for ids that are new with every start. */
const RESOURCE_LABELS = [
  "service.namespace",
  "service.version",
  "deployment.environment.name",
  "deployment.environment",
  "host.name",
  "container.name",
  "k8s.cluster.name",
  "k8s.node.name",
  "k8s.namespace.name",
  "k8s.pod.name",
  "k8s.container.name",
  "k8s.deployment.name",
  "k8s.statefulset.name",
  "k8s.daemonset.name",
  "k8s.job.name",
  "k8s.cronjob.name",
];

export const pyroscopeConfig = object({
  endpoint: text({
    doc: "Where the server is, as `http://host:4040`; `/push.v1.PusherService/Push` is appended.",
    required: true,
  }),
  tenant_id: text({ doc: "The tenant, sent as `X-Scope-OrgID`.", default: "" }),
  basic_auth: optionalSection(
    {
      username: text({ doc: "The user; of Grafana Cloud, the instance's number.", required: true }),
      password: secret({ doc: "The password or token." }),
    },
    { doc: "HTTP basic authentication." },
  ),
  bearer_token: secret({ doc: "A token, in place of `basic_auth`." }),
  external_labels: map(text({ doc: "", required: true }), {
    doc: "Labels that every series has. They win over those of resources.",
  }),
  resource_labels: list(text({ doc: "", required: true }), {
    doc:
      "Attributes of resources that become labels of series, with `_` for `.`. Each value is a " +
      "series of its own, so ids of processes and containers are not in it.",
    default: RESOURCE_LABELS,
  }),
  sample_labels: list(text({ doc: "", required: true }), {
    doc:
      "Attributes of samples that are kept, such as `thread.name`; Pyroscope makes series of " +
      "their values. Links to spans are always kept.",
  }),
  ...httpClientFields("10s"),
  compression: choice(httpCompressions, {
    doc: "How requests are compressed. The profiles in them are always.",
    default: "none",
  }),
  ...deliveryFields,
});

export type PyroscopeConfig = Infer<typeof pyroscopeConfig>;
