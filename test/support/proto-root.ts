import { join } from "node:path";
import protobuf from "protobufjs";
import { packageRoot } from "../../src/support/package-root.ts";

/** protobufjs' code for contracts in proto/: messages read and written by nobody of ours. */
export function protoRoot(...files: readonly string[]): protobuf.Root {
  const root = new protobuf.Root();
  root.resolvePath = (_, target) =>
    protobuf.common.get(target) === null ? join(packageRoot(), "proto", target) : target;
  root.loadSync([...files]);
  return root;
}

/** The bytes of a message given as plain data. */
export function encodeMessage(type: protobuf.Type, message: Record<string, unknown>): Uint8Array {
  return type.encode(type.fromObject(message)).finish();
}
