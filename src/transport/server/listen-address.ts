import { isIP } from "node:net";
import { CollectorError } from "../../support/errors.ts";

/** Where a server listens. */
export interface ListenAddress {
  /** Undefined for every address of the host. */
  readonly host: string | undefined;
  readonly port: number;
}

/**
 * Reads `host:port` as the Collector does: `localhost:4317`, `[::]:4317`, `:4317`.
 *
 * @param key  of the configuration, for the error
 * @throws CollectorError CONFIG_INVALID
 */
export function listenAddress(endpoint: string, key: string): ListenAddress {
  const [, host = "", digits = ""] = /^(\[[^\]]*\]|[^:/]*):(\d{1,5})$/.exec(endpoint) ?? [];
  const port = Number(digits);
  if (digits === "" || port > 65_535) {
    const message = `${key} must be host:port, as in localhost:4317`;
    throw new CollectorError("CONFIG_INVALID", message);
  }
  const bare = host.startsWith("[") ? host.slice(1, -1) : host;
  return { host: bare === "" ? undefined : bare, port };
}

/** True when only programs of this host can reach it. */
export function isLoopback({ host }: ListenAddress): boolean {
  if (host === "localhost" || host === "::1") return true;
  return host !== undefined && isIP(host) === 4 && host.startsWith("127.");
}
