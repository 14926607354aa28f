import { Errno } from "../ffi/libc.ts";
import { refusal } from "../ffi/refusal.ts";
import type { Neighbour, Neighbours } from "../kernel.ts";
import type { FakeContext } from "./context.ts";

const ANY_MAC = "00:00:00:00:00:00";

export class FakeNeighbours implements Neighbours {
  readonly #context: FakeContext;

  constructor(context: FakeContext) {
    this.#context = context;
  }

  list(options: { linkIndex?: number; fdb?: boolean; proxy?: boolean } = {}): Neighbour[] {
    const { neighbours } = this.#context.namespace("list neighbours");
    return neighbours.filter(
      (one) =>
        (one.fdb ?? false) === (options.fdb ?? false) &&
        (one.proxy ?? false) === (options.proxy ?? false) &&
        (options.linkIndex === undefined || one.linkIndex === options.linkIndex),
    );
  }

  replace(neighbour: Neighbour): void {
    const attempt = `set neighbour ${neighbour.address}`;
    const home = this.#context.change("neighbours.replace", attempt);
    if (!home.links.has(neighbour.linkIndex)) throw refusal(attempt, Errno.ENODEV);
    const wanted = key(neighbour);
    // A proxy entry has neither state nor address of its own to show.
    const listed: Neighbour = neighbour.proxy ? { ...neighbour, state: "other" } : neighbour;
    home.neighbours = [...home.neighbours.filter((one) => key(one) !== wanted), listed];
    home.tell("neighbour", { kind: "neighbour", change: "new" });
  }

  remove(neighbour: Neighbour): void {
    const home = this.#context.change("neighbours.remove", `remove neighbour ${neighbour.address}`);
    const wanted = key(neighbour);
    const left = home.neighbours.filter((one) => key(one) !== wanted);
    if (left.length === home.neighbours.length) return;
    home.neighbours = left;
    home.tell("neighbour", { kind: "neighbour", change: "gone" });
  }
}

/** A forwarding entry is found by its MAC; the one for unknown destinations may have several addresses. */
function key({ linkIndex, address, mac, proxy, fdb }: Neighbour): string {
  if (!fdb) return `${linkIndex} ${proxy ? "proxy" : "entry"} ${address}`;
  return `${linkIndex} fdb ${mac ?? ""} ${mac === ANY_MAC ? address : ""}`;
}
