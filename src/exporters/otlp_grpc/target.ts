import { isIP } from "node:net";
import { CollectorError } from "../../support/errors.ts";

/** Where a channel goes to. */
export interface GrpcTarget {
  /** As gRPC names it: "host:4317", "dns:///host:4317", "unix:/run/collector.sock". */
  readonly name: string;
  /** The scheme is `https://`, which asks for TLS whatever `tls::insecure` says. */
  readonly needsTls: boolean;
}

/**
 * Reads an endpoint as the Collector does, for which `http://` says nothing about TLS.
 *
 * @throws CollectorError CONFIG_INVALID  no port
 */
export function grpcTarget(endpoint: string): GrpcTarget {
  const [, scheme, rest = ""] = /^(https?|passthrough):\/{2,3}(.*?)\/*$/.exec(endpoint) ?? [];
  const name = scheme === undefined ? endpoint : rest;
  if (!name.startsWith("unix:") && !/[^:/]:\d{1,5}$/.test(name)) {
    throw new CollectorError("CONFIG_INVALID", "endpoint must end with a port, as in host:4317");
  }
  return { name, needsTls: scheme === "https" };
}

/** The address of a target that is one, which no name stands for; undefined for all others. */
export function addressOf({ name }: GrpcTarget): string | undefined {
  const host = /^(?:dns:\/{3}|ipv[46]:)?\[?(.+?)\]?:\d+$/.exec(name)?.[1] ?? "";
  return isIP(host) === 0 ? undefined : host;
}
