// Server-sent events (HTML, section 9.2): answers that go on.
import type { ServerResponse } from "node:http";

/** Proxies and browsers give up what is silent for longer, ms. */
const ALIVE_MS = 15_000;
/** A page needs two; whoever opens more has forgotten some. */
const MOST = 64;

export class Streams {
  readonly #open = new Set<ServerResponse>();

  /**
   * Makes a stream of an answer whose head is not written yet.
   * @param begin is given what sends an event, and returns how to stop when the other end has gone
   */
  open(
    response: ServerResponse,
    headers: Readonly<Record<string, string>>,
    begin: (send: (event: string, data: unknown) => void) => () => void,
  ): void {
    if (this.#open.size >= MOST) {
      response.writeHead(503, headers).end();
      return;
    }
    this.#open.add(response);
    response.writeHead(200, { ...headers, "content-type": "text/event-stream; charset=utf-8" });
    response.write(": open\n\n");
    const alive = setInterval(() => response.write(": alive\n\n"), ALIVE_MS);
    const stop = begin((event, data) => {
      // JSON has no line ends, so that an event is one line of data.
      response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    });
    response.on("close", () => {
      clearInterval(alive);
      this.#open.delete(response);
      stop();
    });
  }

  /** Ends all of them. */
  close(): void {
    for (const response of this.#open) response.destroy();
  }
}
