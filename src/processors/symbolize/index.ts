import type { ProcessorDefinition } from "../../pipeline/component.ts";
import { type SymbolizeConfig, symbolizeConfig } from "./config.ts";
import { SymbolizeProcessor } from "./processor.ts";

export const symbolize: ProcessorDefinition<SymbolizeConfig> = {
  kind: "processor",
  type: "symbolize",
  aliases: [],
  stability: "alpha",
  config: symbolizeConfig,
  changesBatches: true,
  create: (config, context) => new SymbolizeProcessor(config, context),
};
