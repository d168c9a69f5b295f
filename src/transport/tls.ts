import { readFile } from "node:fs/promises";
import { createSecureContext, getCACertificates, type SecureContext } from "node:tls";
import type { Infer } from "../config/field.ts";
import {
  boolean,
  choice,
  duration,
  integer,
  list,
  optionalSection,
  secret,
  section,
  text,
} from "../config/schema.ts";
import type { Secret } from "../config/secret.ts";
import { CollectorError } from "../support/errors.ts";

/** Versions of TLS as a configuration writes them. */
const VERSIONS = ["1.0", "1.1", "1.2", "1.3"] as const;
type TlsVersion = (typeof VERSIONS)[number];

const openSslVersions = { "1.0": "TLSv1", "1.1": "TLSv1.1", "1.2": "TLSv1.2", "1.3": "TLSv1.3" };

/** Go's names of key exchanges, and OpenSSL's. */
const curves = {
  X25519: "X25519",
  X25519MLKEM768: "X25519MLKEM768",
  P256: "P-256",
  P384: "P-384",
  P521: "P-521",
} as const;

const CURVES = Object.keys(curves) as readonly (keyof typeof curves)[];

/** The `tls` section of a client. */
export const clientTlsConfig = section(
  {
    insecure: boolean({
      doc: "No TLS for gRPC, unless the endpoint has `https://`. Over HTTP the scheme decides.",
      default: false,
    }),
    insecure_skip_verify: boolean({
      doc: "Take any certificate of the server. It can then be anyone.",
      default: false,
    }),
    ca_file: text({ doc: "PEM file of the authorities that may have signed the server." }),
    ca_pem: secret({ doc: "The same as text." }),
    include_system_ca_certs_pool: boolean({
      doc: "Trust the system's authorities beside those of `ca_file`.",
      default: false,
    }),
    cert_file: text({ doc: "PEM file of the client's own certificate, for mutual TLS." }),
    cert_pem: secret({ doc: "The same as text." }),
    key_file: text({ doc: "PEM file of the key that belongs to the client's certificate." }),
    key_pem: secret({ doc: "The same as text." }),
    server_name_override: text({
      doc: "The name that the server's certificate must have, in place of the endpoint's host.",
      default: "",
    }),
    min_version: choice(["", ...VERSIONS], { doc: "The oldest version of TLS.", default: "1.2" }),
    max_version: choice(["", ...VERSIONS], {
      doc: "The newest version of TLS; empty means the newest there is.",
      default: "",
    }),
    curve_preferences: list(choice(CURVES, { doc: "", required: true }), {
      doc: "Key exchanges that may be used, best first; empty means all.",
    }),
    cipher_suites: list(text({ doc: "", required: true }), {
      doc: "Cipher suites of TLS 1.2 that may be used.",
      support: { level: "refused", reason: "the suites are chosen by OpenSSL, without weak ones" },
    }),
    reload_interval: duration({
      doc: "How often the files are read again.",
      default: "0s",
      support: { level: "ignored", reason: "the files are read once, at the start" },
    }),
    tpm: optionalSection(
      {
        enabled: boolean({ doc: "", default: false }),
        path: text({ doc: "" }),
        owner_auth: secret({ doc: "" }),
        auth: secret({ doc: "" }),
        parent_handle: integer({ doc: "" }),
      },
      {
        doc: "A key inside of a trusted platform module.",
        support: { level: "refused", reason: "keys are read from files only" },
      },
    ),
  },
  { doc: "Encryption, and who may be at the other end." },
);

export type ClientTlsConfig = Infer<typeof clientTlsConfig>;

/** What node:tls needs to connect; the certificates are in `secureContext`. */
export interface ClientTls {
  readonly secureContext: SecureContext;
  readonly rejectUnauthorized: boolean;
  /** Absent when it is the endpoint's host. */
  readonly servername?: string;
}

/** True when the section asks for a connection without TLS; an authority asks for one with it. */
export function isInsecure({ insecure, ca_file, ca_pem }: ClientTlsConfig): boolean {
  return insecure && ca_file === undefined && ca_pem === undefined;
}

/**
 * Reads the files of a `tls` section.
 *
 * @throws CollectorError CONFIG_INVALID  with the key, and the file where there is one
 */
export async function loadClientTls(config: ClientTlsConfig): Promise<ClientTls> {
  const ca = await pemOf(config, "ca");
  const cert = await pemOf(config, "cert");
  const key = await pemOf(config, "key");
  if ((cert === undefined) !== (key === undefined)) {
    const [given, missing] = cert === undefined ? ["key", "cert"] : ["cert", "key"];
    throw invalid(`tls::${given}_file also needs tls::${missing}_file`);
  }
  return {
    secureContext: contextOf({ config, ca, cert, key }),
    rejectUnauthorized: !config.insecure_skip_verify,
    ...(config.server_name_override !== "" && { servername: config.server_name_override }),
  };
}

interface Material {
  readonly config: ClientTlsConfig;
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

function contextOf({ config, ca, cert, key }: Material): SecureContext {
  const { min_version: min, max_version: max, curve_preferences: preferred } = config;
  const options = {
    ca: authorities(ca, config.include_system_ca_certs_pool),
    minVersion: openSslVersion(min === "" ? "1.2" : min),
    maxVersion: openSslVersion(max === "" ? "1.3" : max),
    ...(preferred.length > 0 && { ecdhCurve: preferred.map((name) => curves[name]).join(":") }),
  };
  // Each part by itself first, so that the error can name the key that is wrong.
  naming(config, "ca", () => ca !== undefined && requireCertificate(ca));
  naming(config, "cert", () => createSecureContext(cert === undefined ? {} : { cert }));
  naming(config, "key", () => createSecureContext(key === undefined ? {} : { key }));
  return naming(config, "key", () => {
    return createSecureContext({ ...options, ...(cert && { cert }), ...(key && { key }) });
  });
}

function openSslVersion(version: TlsVersion): "TLSv1" | "TLSv1.1" | "TLSv1.2" | "TLSv1.3" {
  return openSslVersions[version] as "TLSv1.2";
}

/** The system's authorities, which an administrator extends, or those of Node where it has none. */
function systemAuthorities(): string[] {
  const ofSystem = getCACertificates("system");
  return ofSystem.length > 0 ? ofSystem : getCACertificates("bundled");
}

function authorities(ca: string | undefined, withSystem: boolean): string[] {
  if (ca === undefined) return systemAuthorities();
  return withSystem ? [...systemAuthorities(), ca] : [ca];
}

/** OpenSSL takes text without any certificate as no authorities at all, and says nothing. */
function requireCertificate(pem: string): void {
  if (!pem.includes("-----BEGIN")) throw new Error("there is no PEM certificate in it");
  createSecureContext({ ca: pem });
}

type Part = "ca" | "cert" | "key";

async function pemOf(config: ClientTlsConfig, part: Part): Promise<string | undefined> {
  const file = config[`${part}_file`];
  const pem: Secret | undefined = config[`${part}_pem`];
  if (file === undefined || file === "") return pem?.reveal();
  if (pem !== undefined) throw invalid(`tls::${part}_file and tls::${part}_pem exclude each other`);
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw invalid(`tls::${part}_file ${file} cannot be read: ${codeOf(error)}`, error);
  }
}

function naming<Value>(config: ClientTlsConfig, part: Part, make: () => Value): Value {
  try {
    return make();
  } catch (error) {
    const file = config[`${part}_file`];
    const where = file === undefined ? `tls::${part}_pem` : `tls::${part}_file ${file}`;
    const why = error instanceof Error ? error.message : String(error);
    throw invalid(`${where} cannot be used: ${why}`, error);
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

function invalid(message: string, cause?: unknown): CollectorError {
  return new CollectorError("CONFIG_INVALID", message, { cause });
}
