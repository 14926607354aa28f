// Security groups as one thing to ask: what they say of a connection that a pod opens or takes at its interface. Several
// groups are the union of what each lets pass; answers of what was let pass are let pass.
import type { SecurityGroupRule } from "../../../api/kinds/security-group.ts";
import { type Cidr, cidrContains, type Ip, ipv4Number, parseIp, tryParseCidr } from "../../../base/ip.ts";
import type { ClusterFacts } from "../../facts.ts";

export type GroupFacts = Pick<ClusterFacts, "securityGroups" | "nodeConfigs" | "podEnis">;
export type GroupDirection = "ingress" | "egress";

export interface GroupVerdict {
  /** null: its provider alone knows the rules of one of the groups, and none of the others lets it pass. */
  readonly allowed: boolean | null;
  /** The group that lets it pass; where none does, undefined. */
  readonly group?: string;
  /** Path of the rule in that group: `spec.ingress[0]`; undefined where the group has none for the direction. */
  readonly rule?: string;
}

const mostPort = 65_535;

/** A rule with its peers taken apart; what is no range, no id of a group that is known or no port matches nobody. */
export interface GroupRule {
  readonly cidrs: readonly Cidr[];
  readonly groups: readonly string[];
  /** undefined: every protocol and port. */
  readonly ports: readonly { readonly protocol: string; readonly port: number }[] | undefined;
}

export class SecurityGroups {
  readonly #facts: GroupFacts;
  #members: ReadonlyMap<string, ReadonlySet<string>> | undefined;

  constructor(facts: GroupFacts) {
    this.#facts = facts;
  }

  /** Returns whether anybody but the provider knows the group's rules. */
  isKnown(id: string): boolean {
    return this.#facts.securityGroups.has(id);
  }

  /** Returns a group's rules for a direction; undefined: everything may pass. */
  rulesOf(id: string, direction: GroupDirection): readonly GroupRule[] | undefined {
    return this.#facts.securityGroups.get(id)?.spec[direction]?.map(takeApart);
  }

  /** Returns the addresses of the interfaces of a group. */
  membersOf(id: string): ReadonlySet<string> {
    this.#members ??= membersOf(this.#facts);
    return this.#members.get(id) ?? new Set();
  }

  /**
   * Returns what a pod's groups say of a connection.
   * @param peer the other end's address as the pod's interface sees it
   * @param port undefined: what has no ports, as an ICMP echo
   */
  verdict(
    direction: GroupDirection,
    ids: readonly string[],
    peer: string,
    port: { readonly protocol: string; readonly port: number } | undefined,
  ): GroupVerdict {
    const ip = parseIp(peer);
    // Subnets carry IPv4 only.
    if (ids.length === 0 || ip.family === 6) return { allowed: true };
    for (const group of ids) {
      if (!this.isKnown(group)) continue;
      const rules = this.rulesOf(group, direction);
      if (rules === undefined) return { allowed: true, group };
      const at = rules.findIndex((rule) => this.#matches(rule, ip, peer, port));
      if (at >= 0) return { allowed: true, group, rule: `spec.${direction}[${at}]` };
    }
    return { allowed: ids.every((id) => this.isKnown(id)) ? false : null };
  }

  #matches(
    { cidrs, groups, ports }: GroupRule,
    ip: Ip,
    peer: string,
    asked: { readonly protocol: string; readonly port: number } | undefined,
  ): boolean {
    if (ports && !ports.some(({ protocol, port }) => protocol === asked?.protocol && port === asked.port))
      return false;
    return (
      cidrs.some((cidr) => cidrContains(cidr, ip)) || groups.some((group) => this.membersOf(group).has(peer))
    );
  }
}

function takeApart({ peers, ports }: SecurityGroupRule): GroupRule {
  const ranges = new Map(peers.map((peer) => [peer, tryParseCidr(peer.includes("/") ? peer : `${peer}/32`)]));
  return {
    cidrs: [...ranges.values()].filter((range) => range?.family === 4) as Cidr[],
    groups: peers.filter((peer) => ranges.get(peer) === undefined),
    ports: ports?.flatMap((text) => {
      const [, number = "", protocol = ""] = /^(\d{1,5})\/(tcp|udp|sctp)$/.exec(text) ?? [];
      const port = Number(number);
      return port >= 1 && port <= mostPort ? [{ protocol: protocol.toUpperCase(), port }] : [];
    }),
  };
}

function membersOf({ nodeConfigs, podEnis }: GroupFacts): ReadonlyMap<string, ReadonlySet<string>> {
  const members = new Map<string, Set<string>>();
  const note = (groups: readonly string[], addresses: readonly string[]) => {
    for (const group of groups) {
      const known = members.get(group) ?? new Set();
      // It becomes a key of a set: what is no IPv4 address would keep the rules of all groups from the kernel.
      for (const address of addresses) if (ipv4Number(address) >= 0) known.add(address);
      members.set(group, known);
    }
  };
  for (const { status } of nodeConfigs.values())
    for (const { securityGroupIDs, addresses = [] } of status?.interfaces ?? [])
      note(securityGroupIDs, addresses);
  for (const { spec } of podEnis.values())
    for (const { eni, ipv4 } of spec.allocations ?? [])
      if (ipv4 !== undefined) note(eni.securityGroupIDs ?? [], [ipv4]);
  return members;
}
