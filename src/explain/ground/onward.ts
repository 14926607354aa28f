// What a machine does with a packet: where it sends it next, or where the packet ends.
import type { End } from "../ends.ts";
import type { GroundLink, Machine } from "./ground.ts";

/** Where a packet ends up. */
export type Stop =
  | { readonly type: "pod"; readonly name: string; readonly end: End }
  | { readonly type: "machine"; readonly name: string; readonly machine: Machine }
  | {
      readonly type: "lost";
      readonly at: Machine;
      readonly why: string;
      /** The sender is told at once: by its own kernel, or by a router. Else it waits in vain. */
      readonly told: boolean;
      /** What is told is that its life is over. */
      readonly expired?: true;
      /** The machine's own packet left by its loopback link. */
      readonly byLoopback?: true;
    };

/** Where a machine sends a packet. */
export type Onward =
  | { readonly type: "local" }
  /** All who have the address: more than one where two machines claim it, none where nobody answers for it. */
  | {
      readonly type: "next";
      readonly machines: readonly Machine[];
      readonly link: GroundLink;
      readonly via?: string;
      readonly by: string;
      /** It goes through a tunnel, to this address: that of the tunnel's other end. */
      readonly outer?: string;
      /** They had the address, and neighbours may remember that; why. */
      readonly perhaps?: string;
    }
  | { readonly type: "pod"; readonly end: End }
  /** The kernel picks one of them for each flow. `sources`: they speak with different addresses. */
  | {
      readonly type: "several";
      readonly ways: readonly Onward[];
      readonly why: string;
      readonly sources: boolean;
    }
  /** Not known. */
  | { readonly type: "unknown"; readonly why: string }
  | {
      readonly type: "nowhere";
      readonly by: string;
      readonly why: string;
      /** "expired": by an error that an echo does not take for its own (time exceeded). */
      readonly told: boolean | "expired";
      /** It leaves by this link first, the loopback one, and passes the filters on that way. */
      readonly out?: GroundLink;
      /** Told where the packet would leave: output filters see it before. */
      readonly afterOutput?: true;
    };

/** Says that a packet goes no further. */
export function nowhere(
  by: string,
  why: string,
  told: boolean | "expired",
): Extract<Onward, { type: "nowhere" }> {
  return { type: "nowhere", by, why, told };
}

/** Says that nobody answers for the next hop of a packet to `destination`. */
export function nobodyHas(
  machine: Machine,
  { link, via }: { readonly link: GroundLink; readonly via?: string },
  destination: string,
): string {
  const { network, name } = link;
  const place = network === undefined ? `link ${name ?? "?"} of ${machine.name}` : `network ${network}`;
  return `nobody on ${place} has ${via ?? destination}`;
}
