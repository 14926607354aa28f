// What the sender says after its first packet was answered: it passes the same hooks, as what machines know by then.
import {
  type Choices,
  chainsOn,
  flagsOfOpener,
  type HookPacket,
  walkChain,
} from "../../plan/foreign/index.ts";
import { STEER_MASK, STEER_PRIORITY } from "../../plan/snat/nft.ts";
import type { Machine } from "../ground/ground.ts";
import type { Network } from "../judges/judge.ts";
import { type Travelled, translatedBy } from "./travelled.ts";

/**
 * Returns who stops what the sender says once it was answered, over TCP; undefined: nobody.
 * @param met the machines that have seen the answer. Of others the sender speaks out of turn (nf_conntrack_proto_tcp.c: an
 *   ACK where nothing has answered the SYN is invalid).
 */
export function whyCutOff(
  network: Network,
  { passed, tracked }: Travelled,
  choices: Choices,
  met: ReadonlySet<Machine>,
): string | undefined {
  let mark: number | undefined = 0;
  for (const { machine, hook, before, after, steer } of passed) {
    // On each machine it begins as its first packet did, whatever rules have given that there.
    if (hook === "output" || (hook === "prerouting" && before.in !== "lo")) mark = before.mark;
    const rules = network.rulesOf(machine.name);
    if (!rules) continue;
    const known = tracked.findLast((one) => one.machine === machine);
    const packet: HookPacket = {
      ...before,
      mark,
      state: met.has(machine) ? "established" : "invalid",
      isFirst: false,
      flags: flagsOfOpener,
      ...(known && { translated: translatedBy(known) }),
    };
    let isSteered = steer === undefined;
    const steerBy = (priority: number) => {
      if (isSteered || priority <= STEER_PRIORITY || packet.mark === undefined) return;
      packet.mark = ((packet.mark & ~STEER_MASK) | steer!) >>> 0;
      isSteered = true;
    };
    for (const chain of chainsOn(rules, hook, before.family).filters) {
      const priority = chain.base?.priority ?? 0;
      steerBy(priority);
      // A chain before the translation sees the packet as it came, one after it as it leaves.
      const isBefore = priority < (hook === "prerouting" || hook === "output" ? -100 : 100);
      const { source, destination, port } = isBefore ? before : after;
      Object.assign(packet, { source, destination, port });
      const result = walkChain(rules, chain, packet, choices);
      if (result.type === "stop")
        return `${machine.name} stops the connection once it is answered: ${result.by}`;
    }
    steerBy(Number.POSITIVE_INFINITY);
    mark = packet.mark;
  }
  return undefined;
}
