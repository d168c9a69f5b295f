import type { ProcessorDefinition } from "../../pipeline/component.ts";
import type { SymbolizeConfig } from "./config.ts";
import { SymbolizeProcessor } from "./processor.ts";

export const symbolize: ProcessorDefinition<SymbolizeConfig> = {
  type: "symbolize",
  aliases: [],
  stability: "alpha",
  create: (config, context) => new SymbolizeProcessor(config, context),
};
