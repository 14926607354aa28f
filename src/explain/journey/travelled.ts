// What the journey of a first packet has come to: where it ended, and as what; who was asked on its way, and who
// refused it; and what the machines on its way know of the connection by then.
import type { IpRange } from "../../base/ip.ts";
import type { Hook, HookPacket } from "../../plan/foreign/index.ts";
import type { Machine } from "../ground/ground.ts";
import type { Stop } from "../ground/onward.ts";
import type { DirectionVerdict, SourceDecision } from "../judges/judge.ts";
import type { Port } from "../ports.ts";
import type { Hop } from "../way/way.ts";
import type { Refused } from "./hook.ts";
import type { Ends } from "./parcel.ts";

/** A connection as a machine knows it: what its first packet was when it came, and what it was when it left. */
export interface Tracked {
  readonly machine: Machine;
  readonly before: Ends;
  after: Ends;
}

/** A hook that the packet passed, so that the packets after the first can be sent the same way. */
export interface Passed {
  readonly machine: Machine;
  readonly hook: Hook;
  /** As it came to the hook, and as it left it. */
  readonly before: HookPacket;
  readonly after: HookPacket;
  /** The mark that our own rules give it there, by which it is led to another node. */
  readonly steer?: number | undefined;
}

/** Something on the way that may have refused the packet, in the order in which it was asked. */
export type Asked = "egress" | "ingress" | "rules";

export interface Travelled {
  readonly egress: DirectionVerdict;
  readonly ingress: DirectionVerdict;
  readonly snat: SourceDecision;
  readonly hops: readonly Hop[];
  /** Where it ends, if nobody refuses it on the way. */
  readonly stop: Stop;
  /** What it asks for there. */
  readonly destination: string;
  readonly port: Port | undefined;
  readonly source: IpRange;
  /** A rule of another program that stops it on the way. */
  readonly refused?: Refused & {
    readonly at: Machine;
    readonly hook: Hook;
    /** Our own source translation has dropped it before. */
    readonly afterDrop: boolean;
    /** What it was there and who knew of it: what comes after only tells what would have become of it. */
    readonly there: Pick<Travelled, "source" | "destination" | "port" | "tracked">;
  };
  readonly asked: readonly Asked[];
  readonly tracked: readonly Tracked[];
  readonly passed: readonly Passed[];
}

/** What a machine has done to a connection, of which all of its packets tell from then on. */
export function translatedBy({ before, after }: Tracked): HookPacket["translated"] {
  const isSame = before.source.first === after.source.first && before.source.last === after.source.last;
  return { dnat: before.destination !== after.destination || before.port !== after.port, snat: !isSame };
}
