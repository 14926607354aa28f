// The part of a node's plan that is about the cluster and not about single pods. It is made again only when one of the
// objects that it is made of is another one: pods come and go all the time, pools and nodes do not.
import { formatCidr } from "../../base/ip.ts";
import type { ClusterFacts } from "../facts.ts";
import { configStatus } from "./config-status.ts";
import { MASQ_CONFIG_MAP } from "./masq-config.ts";
import { leftBlocks, podRanges, SERVICE_CONFIG_MAP } from "./ranges.ts";
import { type ObjectProblem, type ReadyRule, readSourceNats } from "./source-nat-rules.ts";
import type { ConfigStatus, SnatPlan } from "./types.ts";

export interface ClusterPart extends Pick<SnatPlan, "inside" | "ranges" | "subnets"> {
  readonly config: ConfigStatus;
  readonly rules: readonly ReadyRule[];
  /** Of SourceNAT objects. */
  readonly problems: readonly ObjectProblem[];
}

export class ClusterParts {
  #madeOf: readonly unknown[] = [];
  #part: ClusterPart | undefined;

  /**
   * Returns the same part as the last time, the very object, while it is made of the same objects.
   * @param lastGood the ConfigMap's text that was last usable
   */
  read(facts: ClusterFacts, lastGood: string | undefined): ClusterPart {
    const madeOf = [
      lastGood,
      facts.configMaps.get(MASQ_CONFIG_MAP),
      facts.configMaps.get(SERVICE_CONFIG_MAP),
      facts.pools.size,
      ...facts.pools.values(),
      facts.nodes.size,
      ...facts.nodes.values(),
      ...facts.serviceCidrs.values(),
      facts.hosts.size,
      ...facts.hosts.values(),
      ...facts.sourceNats.values(),
      // Their status has figures that change with every pod.
      ...[...facts.subnets].map(([name, { spec }]) => `${name} ${spec.cidr}`),
      // Blocks' objects are written all the time, and seldom is one of them the last of its pool.
      ...leftBlocks(facts).map(({ cidr }) => formatCidr(cidr)),
    ];
    if (this.#part === undefined || !sameObjects(madeOf, this.#madeOf))
      this.#part = readPart(facts, lastGood);
    this.#madeOf = madeOf;
    return this.#part;
  }
}

function readPart(facts: ClusterFacts, lastGood: string | undefined): ClusterPart {
  const config = configStatus(facts, lastGood);
  return { config, ...podRanges(facts, config), ...readSourceNats(facts) };
}

/** Objects are never changed in place: another version is another object. */
export function sameObjects(left: readonly unknown[], right: readonly unknown[]): boolean {
  return left.length === right.length && left.every((object, at) => object === right[at]);
}
