import {
  EMBEDDED_PROFILE_TYPE,
  SERVED_PROFILES_PATH,
} from "../../src/profiles/flamegraph/columns.ts";
import type { Source } from "./model.ts";

/** Profiles that a page fetches; the server of `obsforge view` lists the files it was given. */
const PROFILES_MAX = 100;

/** The profiles that the page came with: inside it, or beside it on its server. */
export async function firstProfiles(): Promise<Source[]> {
  const elements = [...document.querySelectorAll(`script[type="${EMBEDDED_PROFILE_TYPE}"]`)];
  if (elements.length > 0) {
    return elements.map((element, at) => ({
      name: element.getAttribute("data-name") ?? `profile ${at + 1}`,
      bytes: bytesOf(element.textContent.trim()),
    }));
  }
  return location.protocol.startsWith("http") ? await servedProfiles() : [];
}

async function servedProfiles(): Promise<Source[]> {
  const listed = await fetch(SERVED_PROFILES_PATH);
  if (listed.status === 404) return [];
  if (!listed.ok) throw new Error(`the server answered ${listed.status}`);
  const urls: unknown = await listed.json();
  if (!Array.isArray(urls)) throw new Error("the server's list of profiles is no list");
  return await Promise.all(urls.slice(0, PROFILES_MAX).map((url) => served(String(url))));
}

async function served(url: string): Promise<Source> {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`the server answered ${answer.status} for ${url}`);
  const name = decodeURIComponent(url.slice(url.lastIndexOf("/") + 1));
  return { name, bytes: new Uint8Array(await answer.arrayBuffer()) };
}

/** Base64 as bytes; by the browser's own function where it has it, which is ten times as fast. */
function bytesOf(base64: string): Uint8Array {
  if (typeof Uint8Array.fromBase64 === "function") return Uint8Array.fromBase64(base64);
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
