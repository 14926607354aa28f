import { Errno } from "../ffi/libc.ts";
import { refusal } from "../ffi/refusal.ts";
import type { Neighbour, Neighbours } from "../kernel.ts";
import { Flag } from "../netlink/message.ts";
import {
  NeighbourMessage,
  readNeighbour,
  writeNeighbour,
  writeNeighbourQuery,
} from "../netlink/neighbour.ts";
import type { Context } from "./context.ts";

const ANY_MAC = "00:00:00:00:00:00";

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
    const attempt = (): string => `set neighbour ${neighbourText(neighbour)}`;
    // A vxlan's entry for unknown destinations holds a list of tunnel ends: one more is appended to it.
    const flags = neighbour.fdb && neighbour.mac === ANY_MAC ? Flag.append : Flag.replace;
    this.#context
      .route(attempt)
      .request(
        NeighbourMessage.new,
        Flag.create | flags,
        (writer) => writeNeighbour(writer, neighbour),
        attempt,
      );
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

function neighbourText(neighbour: Neighbour): string {
  return `${neighbour.address}${neighbour.mac ? ` at ${neighbour.mac}` : ""} on link ${neighbour.linkIndex}`;
}
