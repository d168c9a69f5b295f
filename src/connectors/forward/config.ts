import type { Infer } from "../../config/field.ts";
import { object } from "../../config/schema.ts";

export const forwardConfig = object({});

export type ForwardConfig = Infer<typeof forwardConfig>;
