import { readFileSync } from "node:fs";
import protobuf from "protobufjs";

/** protobufjs's code for pprof's profile: the other reader in fuzz tests and benchmarks. */
export function pprofOracle(): protobuf.Type {
  const path = new URL("../../../proto/pprof/profile.proto", import.meta.url);
  return protobuf
    .parse(readFileSync(path, "utf8"), { keepCase: true })
    .root.lookupType("perftools.profiles.Profile");
}
