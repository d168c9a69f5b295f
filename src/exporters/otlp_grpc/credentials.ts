import { checkServerIdentity } from "node:tls";
import { type ChannelCredentials, type ChannelOptions, credentials } from "@grpc/grpc-js";
import { type ClientTlsConfig, isInsecure, loadClientTls } from "../../transport/tls.ts";
import { addressOf, type GrpcTarget } from "./target.ts";

/**
 * Sent as the server's name where the endpoint is an address. grpc-js would send the address
 * itself, which TLS forbids and Node refuses; no server has this name (RFC 2606).
 */
const NO_SERVER_NAME = "address.invalid";

/**
 * How a channel to the target is secured.
 *
 * @throws CollectorError CONFIG_INVALID  with the key of the `tls` section, and its file
 */
export async function channelCredentials(
  tls: ClientTlsConfig,
  target: GrpcTarget,
): Promise<ChannelCredentials> {
  if (!target.needsTls && isInsecure(tls)) return credentials.createInsecure();
  const { secureContext, rejectUnauthorized, servername } = await loadClientTls(tls);
  const address = servername === undefined ? addressOf(target) : undefined;
  return credentials.createFromSecureContext(secureContext, {
    rejectUnauthorized,
    // The certificate must be the address's, whatever name was sent.
    ...(address !== undefined && {
      checkServerIdentity: (_name, certificate) => checkServerIdentity(address, certificate),
    }),
  });
}

/** The name that is sent to the server and that its certificate must have, if it is no host's. */
export function serverNameOption(tls: ClientTlsConfig, target: GrpcTarget): ChannelOptions {
  const { server_name_override: override } = tls;
  const name = override === "" && addressOf(target) !== undefined ? NO_SERVER_NAME : override;
  return name === "" ? {} : { "grpc.ssl_target_name_override": name };
}
