import protobuf from "protobufjs";

const PROTO_ROOT = new URL("../../proto/", import.meta.url);

/** Code that protobufjs generates from the contracts in proto/: what our codec is judged by. */
export function otlpOracle(): protobuf.Type {
  const root = new protobuf.Root();
  root.resolvePath = (_, target) => new URL(target, PROTO_ROOT).pathname;
  root.loadSync([
    "opentelemetry/proto/collector/profiles/v1development/profiles_service.proto",
    "opentelemetry/proto/profiles/v1development/profiles.proto",
  ]);
  return root.lookupType("opentelemetry.proto.profiles.v1development.ProfilesData");
}
