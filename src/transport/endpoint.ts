import { CollectorError } from "../support/errors.ts";

/**
 * The URL of an HTTP endpoint.
 *
 * @param key  where the configuration has it, for the error
 * @throws CollectorError CONFIG_INVALID
 */
export function httpEndpoint(text: string, key: string): URL {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    const message = `${key} must be a URL that begins with http:// or https://`;
    throw new CollectorError("CONFIG_INVALID", message);
  }
  return url;
}

/** A path below an endpoint, whether or not that ends with a slash. */
export function belowEndpoint(endpoint: URL, path: string): URL {
  const url = new URL(endpoint);
  url.pathname = `${endpoint.pathname.replace(/\/+$/, "")}/${path}`;
  return url;
}

/** The URL for a message: no user, password or query, which may hold tokens [S14]. */
export function shownUrl(url: URL): string {
  return `${url.origin}${url.pathname === "/" ? "" : url.pathname}`;
}
