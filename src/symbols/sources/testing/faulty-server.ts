import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A server whose answers a test chooses. */
export interface FaultyServer extends AsyncDisposable {
  /** Without a slash at its end. */
  readonly url: string;
  /** What was asked, in its order: "GET /path". */
  readonly asked: string[];
  /** Answers all requests from now on. */
  answer: Handler;
}

export async function startFaultyServer(answer: Handler): Promise<FaultyServer> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    started.answer(request, response);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const started: FaultyServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    answer,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return started;
}

/** Answers with a whole body. */
export function giving(
  body: Uint8Array,
  headers: Readonly<Record<string, string | number>> = {},
): Handler {
  return (_, response) => {
    response.writeHead(200, { "content-length": body.length, ...headers });
    response.end(body);
  };
}

/** Answers with a status and nothing else. */
export function answering(status: number, headers: Readonly<Record<string, string>> = {}): Handler {
  return (_, response) => {
    response.writeHead(status, headers);
    response.end();
  };
}
