import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { CONFIG_BYTES_MAX, CONFIG_FETCH_MS_MAX } from "./limits.ts";

/** What a configuration may be made of; tests give their own. */
export interface ConfigEnvironment {
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** The file's text. Rejects when it cannot be read; the reason becomes part of a message. */
  readFile(path: string): Promise<string>;
  /** The body behind an http or https URL; without it, these schemes are refused. */
  fetchText?(url: string): Promise<string>;
  /** One sentence for the user about something that is odd but no error. */
  warn(message: string): void;
}

/** This process's variables, files and network, each text at most CONFIG_BYTES_MAX. */
export function systemEnvironment(warn: (message: string) => void): ConfigEnvironment {
  return { variables: process.env, readFile, fetchText, warn };
}

/** Reads as a stream, so that a pipe (`<(…)`, /dev/stdin) works and never more than the limit. */
function readFile(path: string): Promise<string> {
  return readText(createReadStream(path));
}

async function fetchText(url: string): Promise<string> {
  const signal = AbortSignal.timeout(CONFIG_FETCH_MS_MAX);
  // A redirect could lead from a trusted host to any other, so none is followed.
  const { target, headers } = withoutCredentials(new URL(url));
  const response = await fetch(target, { redirect: "manual", signal, headers });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`the server answered ${response.status}; it must be 200, with the text`);
  }
  return response.body === null ? "" : readText(response.body);
}

/** A name and a password go as a header: fetch refuses them in an address, and repeats it. */
function withoutCredentials(target: URL): { target: URL; headers: Record<string, string> } {
  const { username, password } = target;
  if (username === "" && password === "") return { target, headers: {} };
  target.username = target.password = "";
  const pair = [username, password].map(decodeURIComponent).join(":");
  return { target, headers: { authorization: `Basic ${Buffer.from(pair).toString("base64")}` } };
}

async function readText(chunks: Readable | AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let byteCount = 0;
  for await (const chunk of chunks as AsyncIterable<Uint8Array>) {
    byteCount += chunk.byteLength;
    if (byteCount > CONFIG_BYTES_MAX) throw new Error(`it is over ${CONFIG_BYTES_MAX} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
