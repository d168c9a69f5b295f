import { readFile } from "node:fs/promises";
import { createSecureContext, type TlsOptions } from "node:tls";
import type { Infer } from "../../config/field.ts";
import {
  boolean,
  choice,
  duration,
  list,
  optionalSection,
  secret,
  text,
} from "../../config/schema.ts";
import { CollectorError, messageOf } from "../../support/errors.ts";

const readOnce = {
  support: { level: "ignored", reason: "the files are read once, at the start" },
} as const;

/** How long a handshake may take; who says nothing holds a socket and no more. */
const HANDSHAKE_WAIT_MAX_MS = 10_000;

const fields = {
  cert_file: text({ doc: "PEM file of the server's certificate." }),
  cert_pem: secret({ doc: "The same as text." }),
  key_file: text({ doc: "PEM file of the key that belongs to it." }),
  key_pem: secret({ doc: "The same as text." }),
  client_ca_file: text({
    doc: "PEM file of the authorities that must have signed a client. Not given: any client.",
  }),
  client_ca_file_reload: boolean({
    doc: "Read `client_ca_file` again when it changes.",
    default: false,
    ...readOnce,
  }),
  min_version: choice(["", "1.2", "1.3"], { doc: "The oldest version of TLS.", default: "1.2" }),
  max_version: choice(["", "1.2", "1.3"], {
    doc: "The newest version of TLS; empty means the newest there is.",
    default: "",
  }),
  reload_interval: duration({
    doc: "How often the files are read again.",
    default: "0s",
    ...readOnce,
  }),
  cipher_suites: list(text({ doc: "", required: true }), {
    doc: "Cipher suites of TLS 1.2 that may be used.",
    support: { level: "refused", reason: "the suites are chosen by OpenSSL, without weak ones" },
  }),
  curve_preferences: list(text({ doc: "", required: true }), {
    doc: "Key exchanges that may be used.",
    support: { level: "refused", reason: "they are chosen by OpenSSL" },
  }),
};

/** The `tls` section of a server; without it the server speaks plain text. */
export const serverTlsConfig = optionalSection(fields, {
  doc: "Encryption, and who may send. Without this section everything is plain text.",
});

export type ServerTlsConfig = NonNullable<Infer<typeof serverTlsConfig>>;

/**
 * Reads the files of a `tls` section.
 *
 * @throws CollectorError CONFIG_INVALID  with the key, and the file where there is one
 */
export async function loadServerTls(config: ServerTlsConfig): Promise<TlsOptions> {
  const cert = await pemOf("cert", config.cert_file, config.cert_pem?.reveal());
  const key = await pemOf("key", config.key_file, config.key_pem?.reveal());
  if (cert === undefined || key === undefined) {
    throw invalid("tls needs cert_file and key_file, or cert_pem and key_pem");
  }
  const ca = await pemOf("client_ca", config.client_ca_file, undefined);
  const options: TlsOptions = {
    cert,
    key,
    minVersion: config.min_version === "1.3" ? "TLSv1.3" : "TLSv1.2",
    maxVersion: config.max_version === "1.2" ? "TLSv1.2" : "TLSv1.3",
    handshakeTimeout: HANDSHAKE_WAIT_MAX_MS,
    ...(ca !== undefined && { ca, requestCert: true, rejectUnauthorized: true }),
  };
  try {
    createSecureContext(options);
  } catch (error) {
    throw invalid(`the certificates of tls cannot be used: ${messageOf(error)}`, error);
  }
  if (ca?.includes("-----BEGIN") === false) throw invalid("tls::client_ca_file has no certificate");
  return options;
}

async function pemOf(
  part: string,
  file: string | undefined,
  pem: string | undefined,
): Promise<string | undefined> {
  if (file === undefined || file === "") return pem;
  if (pem !== undefined) throw invalid(`tls::${part}_file and tls::${part}_pem exclude each other`);
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? messageOf(error);
    throw invalid(`tls::${part}_file ${file} cannot be read: ${why}`, error);
  }
}

function invalid(message: string, cause?: unknown): CollectorError {
  return new CollectorError("CONFIG_INVALID", message, { cause });
}
