// A network that is known whole, as a lab's is: every machine of it, with its links, routes and open ports. Against it a
// question has a definite answer: what is not there is not there.
import type { Port } from "../ports.ts";

export interface Ground {
  readonly machines: readonly Machine[];
  /** Another program leads pods' hostPorts to them (the portmap plugin), which no plan of ours tells of. */
  readonly hostPorts?: boolean;
}

export interface Machine {
  /** `node/NAME` or `host/NAME`, as answers name it. */
  readonly name: string;
  readonly links: readonly GroundLink[];
  /** Each `address/length`, given to it by hand beside those of its links: it answers for them on all networks it is on. */
  readonly added?: readonly string[];
  /** Beside those of its links, and of pods. */
  readonly routes: readonly { readonly to: string; readonly via: string }[];
  /** A routing daemon writes into its table: `routes` are what stood there when it was looked at. */
  readonly learns?: true;
  /** Passes on packets that are not for itself. */
  readonly forwards: boolean;
  /** Has a route to every confirmed block of addresses, without being a node. */
  readonly podRoutes: boolean;
  /** Open on all of its addresses; those of hostNetwork pods come on top. */
  readonly ports: readonly Port[];
  /** Ranges whose connections it takes; absent: everyone's. */
  readonly admit?: readonly string[];
}

export interface GroundLink {
  /** Machines with links of the same network are neighbours. */
  readonly network: string;
  /** `address/length` */
  readonly addresses: readonly string[];
}

/** Returns the address of `address/length`. */
export function bare(text: string): string {
  return text.split("/")[0] ?? "";
}
