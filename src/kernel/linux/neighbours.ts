import { Errno } from "../ffi/libc.ts";
import { refusal } from "../ffi/refusal.ts";
import type { Neighbour, Neighbours } from "../kernel.ts";
import {
  NeighbourMessage,
  readNeighbour,
  writeNeighbour,
  writeNeighbourQuery,
} from "../netlink/neighbour.ts";
import { neighbourText, newNeighbour } from "./changes.ts";
import type { Context } from "./context.ts";

export class LinuxNeighbours implements Neighbours {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  list(options: { linkIndex?: number; fdb?: boolean; proxy?: boolean } = {}): Neighbour[] {
    const attempt = (): string => "list neighbours";
    const found: Neighbour[] = [];
    const { errno, text } = this.#context.route(attempt).dump(
      NeighbourMessage.get,
      (writer) => writeNeighbourQuery(writer, options),
      attempt,
      (message) => {
        const neighbour = readNeighbour(message);
        if (options.linkIndex === undefined || neighbour.linkIndex === options.linkIndex)
          found.push(neighbour);
      },
      () => found.splice(0),
    );
    if (errno === Errno.ENODEV) return [];
    if (errno !== 0) throw refusal(attempt(), errno, text);
    return found;
  }

  replace(neighbour: Neighbour): void {
    this.#context.ask(newNeighbour(neighbour));
  }

  remove(neighbour: Neighbour): void {
    const attempt = (): string => `remove neighbour ${neighbourText(neighbour)}`;
    const { errno, text } = this.#context
      .route(attempt)
      .tryRequest(NeighbourMessage.delete, 0, (writer) => writeNeighbour(writer, neighbour), attempt);
    // Gone already, or gone with its link.
    if (errno === 0 || errno === Errno.ENOENT || errno === Errno.ENODEV) return;
    throw refusal(attempt(), errno, text);
  }
}
