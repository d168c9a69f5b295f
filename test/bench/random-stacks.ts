import { decodeFolded } from "../../src/profiles/folded/decode.ts";
import type { ProfileBatch } from "../../src/profiles/profile.ts";
import { FILE_LIMITS } from "../../src/support/limits.ts";

/** Stacks of the deepest tree; as deep as those of a Java server. */
const DEPTH_MAX = 59;
/** Frames that a stack may have more than the one before. */
const STEP_MAX = 12;
const FUNCTIONS = 5000;

/** A profile whose tree has about this many nodes, the same at each call. */
export function randomStacks(nodes: number): ProfileBatch {
  let seed = 1;
  const random = (): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed / 2 ** 32;
  };
  const names = Array.from(
    { length: FUNCTIONS },
    (_, at) => `package_${at % 97}::module_${at % 11}::function_${at}`,
  );
  const lines: string[] = [];
  let stack: string[] = [];
  for (let made = 0; made < nodes; ) {
    const kept = Math.floor(stack.length * random());
    const depth = Math.min(DEPTH_MAX, kept + 1 + Math.floor(random() * STEP_MAX));
    stack = stack.slice(0, kept);
    // Some functions are called far more often than others.
    while (stack.length < depth) stack.push(names[Math.floor(random() ** 2 * FUNCTIONS)] as string);
    made += depth - kept;
    lines.push(`${stack.join(";")} ${1 + Math.floor(random() * 100)}`);
  }
  return decodeFolded(new TextEncoder().encode(lines.join("\n")), FILE_LIMITS);
}
