// What security groups say of a flow at a pod's interface, and in which words. A group is asked where the kernel asks it:
// where packets are forwarded from a pod's wire, and to one; not between two pods of a node that share interfaces, and not
// between a node and its own pods.
import type { Pod } from "../../api/kinds/core.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import type { Choices } from "../../plan/foreign/index.ts";
import { type GroupDirection, SecurityGroups } from "../../plan/subnets/groups/model.ts";
import { type PodInterface, podInterface } from "../../plan/subnets/pod-interface.ts";
import { type End, isOnNode, nodeOf } from "../ends.ts";
import { formatPort, type Port } from "../ports.ts";
import type { DirectionVerdict, Groups, GroupWord } from "./judge.ts";

export class GroupJudge implements Groups {
  readonly #facts: ClusterFacts;
  readonly #groups: SecurityGroups;
  readonly #interfaces = new Map<Pod, PodInterface | undefined>();
  /** Addresses of pods on interfaces that no NodeConfig has yet. */
  #untoldAddresses: ReadonlySet<string> | undefined;

  constructor(facts: ClusterFacts) {
    this.#facts = facts;
    this.#groups = new SecurityGroups(facts);
  }

  areNear(from: End, to: End): boolean {
    return (
      isPod(from) && isPod(to) && nodeOf(from) === nodeOf(to) && !this.#hasOwn(from) && !this.#hasOwn(to)
    );
  }

  asked(direction: GroupDirection, pod: End, peer: string, port: Port | undefined): GroupWord | undefined {
    const found = isPod(pod) ? this.#interfaceOf(pod.pod) : undefined;
    if (!found || found.securityGroupIDs.length === 0) return undefined;
    const groups = found.securityGroupIDs;
    const { allowed, group, rule } = this.#groups.verdict(direction, groups, peer, port);
    if (allowed && rule === undefined) return undefined;
    const way = direction === "egress" ? `out to ${peer}` : `in from ${peer}`;
    const what = port ? formatPort(port) : "an ICMP echo";
    const list = `security ${groups.length === 1 ? "group" : "groups"} ${groups.join(", ")}`;
    const place = `of ${pod.name}'s ${found.kind} interface${found.id === undefined ? "" : ` ${found.id}`}`;
    const untold =
      found.id === undefined ? found.address : allowed ? undefined : this.#untold(groups, direction, peer);
    if (untold !== undefined) {
      const why = `its node has not told yet on which interface ${untold} stands`;
      return { allowed: null, groups, reason: `whether ${list} ${place} let ${what} ${way}: ${why}` };
    }
    const reason = allowed
      ? `security group ${group} lets it ${direction === "egress" ? "out" : "in"}, ${rule}`
      : allowed === null
        ? `whether ${list} ${place} let it ${way}: only the provider knows their rules`
        : `${list} ${place} ${groups.length === 1 ? "does" : "do"} not let ${what} ${way}`;
    return { allowed, groups, reason };
  }

  /** Returns the peer's address where a rule asks for groups that it may be a member of: interfaces are told a second late. */
  #untold(ids: readonly string[], direction: GroupDirection, peer: string): string | undefined {
    const asksForGroups = ids.some((id) =>
      this.#groups.rulesOf(id, direction)?.some(({ groups }) => groups.length > 0),
    );
    if (!asksForGroups) return undefined;
    this.#untoldAddresses ??= new Set(
      [...this.#facts.pods.values()].flatMap((pod) => {
        const found = this.#interfaceOf(pod);
        return found !== undefined && found.id === undefined ? [found.address] : [];
      }),
    );
    return this.#untoldAddresses.has(peer) ? peer : undefined;
  }

  #hasOwn(end: End): boolean {
    const kind = isPod(end) ? this.#interfaceOf(end.pod)?.kind : undefined;
    return kind !== undefined && kind !== "shared";
  }

  #interfaceOf(pod: Pod): PodInterface | undefined {
    if (!this.#interfaces.has(pod)) this.#interfaces.set(pod, podInterface(this.#facts, pod));
    return this.#interfaces.get(pod);
  }
}

/** Returns a verdict of policies with what groups say, who are asked after them. */
export function withGroups(verdict: DirectionVerdict, word: GroupWord | undefined): DirectionVerdict {
  if (!word || !verdict.allowed) return verdict;
  const { allowed, groups, reason } = word;
  if (allowed === false) return { allowed, isolated: verdict.isolated, groups, reason };
  return { ...verdict, reason: `${verdict.reason}; ${reason}` };
}

/** What nobody but a provider knows is tried both ways. */
export function settled(word: GroupWord | undefined, choices: Choices): GroupWord | undefined {
  return word?.allowed === null ? { ...word, allowed: choices.pick(2, word.reason) === 0 } : word;
}

function isPod(end: End): end is Extract<End, { type: "pod" }> {
  return end.type === "pod" && !isOnNode(end);
}
