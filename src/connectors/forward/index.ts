import type { ConnectorDefinition } from "../../pipeline/component.ts";
import { type ForwardConfig, forwardConfig } from "./config.ts";
import { ForwardConnector } from "./connector.ts";

export const forward: ConnectorDefinition<ForwardConfig> = {
  kind: "connector",
  type: "forward",
  aliases: [],
  stability: "alpha",
  config: forwardConfig,
  create: (_config, context) => new ForwardConnector(context),
};
