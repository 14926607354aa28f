// Of IPv6 neighbours are found by ICMPv6 (RFC 4861), which meets packet rules as everything does, and which connection
// tracking leaves alone. Where rules stop it, a kernel goes on for a while with what it knows, and then finds nobody.
import { cidrRange, type IpRange, parseCidr } from "../../base/ip.ts";
import { type Choices, chainsOn, type Hook, type HookPacket, type Maybe } from "../../plan/foreign/index.ts";
import { protocolNumbers } from "../../plan/foreign/types.ts";
import { addressing } from "../ground/addressing.ts";
import { bare, type GroundLink, type Machine } from "../ground/ground.ts";
import type { Network } from "../judges/judge.ts";
import { passHook } from "./hook.ts";
import { one } from "./parcel.ts";

const SOLICITATION = 135;
const ADVERTISEMENT = 136;
const anywhere = cidrRange(parseCidr("::/0"));
/** Where those listen whose addresses end alike (RFC 4291, 2.7.1). */
const listeners = cidrRange(parseCidr("ff02::1:ff00:0/104"));
const hooks: readonly Hook[] = ["prerouting", "input", "output", "postrouting"];

export interface Asked {
  readonly network: Network;
  readonly choices: Choices;
  readonly asker: Machine;
  readonly link: GroundLink;
  /** Who has the address, and the link's name there; undefined: a pod, whose own rules are not followed. */
  readonly owner: Machine | undefined;
  readonly ownerLink?: string | undefined;
  readonly address: string;
}

/** Returns why a neighbour may not be found; undefined: rules let its being asked for pass, or it is one of IPv4. */
export function whyNotFound(asked: Asked): string | undefined {
  const { network, asker, owner, address } = asked;
  if (!address.includes(":")) return undefined;
  if (!hasRules(network, asker) && !(owner && hasRules(network, owner))) return undefined;
  const [here, there] = [asked.link.name, asked.ownerLink];
  const question = { source: anywhere, destination: listeners, message: SOLICITATION };
  const answer = { source: one(address), destination: anywhere, message: ADVERTISEMENT };
  const stopped =
    passAll(asked, asker, ["output", "postrouting"], { ...question, out: here }) ??
    (owner && passAll(asked, owner, ["prerouting", "input"], { ...question, by: there })) ??
    (owner && passAll(asked, owner, ["output", "postrouting"], { ...answer, out: there })) ??
    passAll(asked, asker, ["prerouting", "input"], { ...answer, by: here });
  return stopped && `whether ${asker.name} finds its neighbour ${address}, by ICMPv6: ${stopped}`;
}

function hasRules(network: Network, { name }: Machine): boolean {
  const rules = network.rulesOf(name);
  return rules !== undefined && hooks.some((hook) => chainsOn(rules, hook, 6).filters.length > 0);
}

interface Message {
  readonly source: IpRange;
  readonly destination: IpRange;
  readonly message: number;
  readonly by?: string | undefined;
  readonly out?: string | undefined;
}

function passAll(
  { network, choices, asker, link }: Asked,
  machine: Machine,
  those: readonly Hook[],
  { source, destination, message, by, out }: Message,
): string | undefined {
  const ways = addressing(network.atlas, machine);
  const own = asker.links.find(({ name }) => name === link.name) ?? link;
  const packet: HookPacket = {
    family: 6,
    source,
    destination,
    protocol: protocolNumbers["ipv6-icmp"]!,
    port: undefined,
    sourcePort: undefined,
    mark: 0,
    in: out === undefined ? by : "",
    out: out ?? "",
    state: "untracked",
    translated: { dnat: false, snat: false },
    ...ways,
    hasWayBack: (asked) => hasWayBack(asked, own, ways),
    isFirst: true,
    message,
  };
  for (const hook of those) {
    const refused = passHook({ hook, rules: network.rulesOf(machine.name), packet, choices });
    if (refused) return `${machine.name} drops what asks for it: ${refused.by}`;
  }
  return undefined;
}

/** Who asks does it with an address of the link, of which it may have several. */
function hasWayBack(
  packet: HookPacket,
  { addresses, linkLocal = [] }: GroundLink,
  ways: ReturnType<typeof addressing>,
): Maybe {
  if (packet.source.first === packet.source.last) return ways.hasWayBack?.(packet) ?? "perhaps";
  const own = [...addresses, ...linkLocal].map(bare).filter((text) => text.includes(":"));
  const said = new Set(own.map((text) => ways.hasWayBack?.({ ...packet, source: one(text) }) ?? "perhaps"));
  return said.size === 1 ? [...said][0]! : "perhaps";
}
