import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Certificates of a little authority, made by openssl; gone with `dispose`. */
export interface TestCertificates extends Disposable {
  /** The path of a file in the folder: "ca.pem", "server.pem", "server.key", "client.pem", … */
  file(name: string): string;
  pem(name: string): string;
}

/** An authority, a server's certificate for 127.0.0.1 and localhost, a client's, and a stranger. */
export function testCertificates(): TestCertificates {
  const folder = mkdtempSync(join(tmpdir(), "certificates-"));
  const file = (name: string): string => join(folder, name);
  for (const name of ["ca", "stranger"]) {
    openssl("req -x509 -days 2 -subj", [`/CN=${name}`, ...keyOptions(file, name)]);
  }
  writeFileSync(file("names"), "subjectAltName=IP:127.0.0.1,DNS:collector.test\n");
  for (const name of ["server", "client"]) {
    openssl("req -new -subj", [`/CN=${name}`, ...keyOptions(file, name, "csr")]);
    openssl("x509 -req -days 2 -in", [
      file(`${name}.csr`),
      ...["-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial"],
      ...["-extfile", file("names"), "-out", file(`${name}.pem`)],
    ]);
  }
  return {
    file,
    pem: (name) => readFileSync(file(name), "utf8"),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}

function keyOptions(file: (name: string) => string, name: string, output = "pem"): string[] {
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  return [...curve, "-keyout", file(`${name}.key`), "-out", file(`${name}.${output}`)];
}

function openssl(command: string, rest: readonly string[]): void {
  execFileSync("openssl", [...command.split(" "), ...rest], { stdio: "pipe" });
}
