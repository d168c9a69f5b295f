/**
 * A component's name in a configuration: `type` or `type/name`.
 *
 * Source: the OpenTelemetry Collector's component.ID.
 */
export interface ComponentId {
  readonly type: string;
  /** Empty when there is none. */
  readonly name: string;
}

/** As the Collector bounds it. */
export const COMPONENT_NAME_MAX = 1024;

const TYPE = /^[a-zA-Z][0-9a-zA-Z_]{0,62}$/;
/** No separators, control characters or symbols. */
const NAME = /^[^\p{Z}\p{C}\p{S}]+$/u;

/** The parts of an id, or why it is none. */
export function parseComponentId(text: string): ComponentId | { readonly fault: string } {
  const slash = text.indexOf("/");
  const type = slash < 0 ? text : text.slice(0, slash);
  if (!TYPE.test(type)) return { fault: "its type must be letters, digits and _, at most 63" };
  if (slash < 0) return { type, name: "" };
  const name = text.slice(slash + 1);
  if (name.length > COMPONENT_NAME_MAX) {
    return { fault: `its name is longer than ${COMPONENT_NAME_MAX} characters` };
  }
  if (!NAME.test(name)) return { fault: "its name after / must be text without blanks or symbols" };
  return { type, name };
}
