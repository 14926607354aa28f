// Keeps the rules of security groups equal to what the node's pods and their groups ask for. Only groups that have an object
// are enforced here: others' rules are their provider's business, at its side of the interface.
import type { ClusterFacts, NodeFacts } from "../../plan/facts.ts";
import { SecurityGroups } from "../../plan/subnets/groups/model.ts";
import { type GroupedPod, writeGroups } from "../../plan/subnets/groups/write.ts";
import { type Changes, concerns, type Manager } from "../managers/manager.ts";
import type { NodeTable } from "../managers/node-table.ts";

/** On which interface a pod's address stands. */
export interface AddressPlace {
  readonly groups: readonly string[];
  /** The pod has it to itself. */
  readonly own: boolean;
}

export interface GroupManagerOptions {
  readonly table: NodeTable;
  /** Whether the kernel can tell of refusals; default: it is not asked to. */
  readonly log?: boolean;
  /** By address; those of pools are not there. */
  readonly places: () => ReadonlyMap<string, AddressPlace>;
  /** Whether the provider enforces a group that has no object. */
  readonly filtersGroup: (id: string) => boolean;
}

/** Policies call the rules of groups: both are written in one transaction. */
const PART = "policy";
const concerned = ["securitygroups", "nodeconfigs", "podenis", "endpoints"];

export class GroupManager implements Manager {
  readonly name = "groups";
  /** Its rules are a part of the policies', which sees to it that they stay. */
  readonly concerns = [] as const;
  readonly kinds = [...concerned, "nodes"];
  readonly #options: GroupManagerOptions;
  #groups: SecurityGroups | undefined;

  constructor(options: GroupManagerOptions) {
    this.#options = options;
  }

  async apply(facts: ClusterFacts, node: NodeFacts, changes: Changes): Promise<void> {
    const { table, places, filtersGroup, log = false } = this.#options;
    const told = concerned.filter((kind) => changes.has(kind));
    // Its label says whether pods have interfaces to themselves.
    if (this.#groups && told.length === 0 && !concerns(changes, "nodes", node.node)) return;
    // Who the members of groups are is read anew only where it may have changed.
    if (!this.#groups || told.some((kind) => kind !== "endpoints")) this.#groups = new SecurityGroups(facts);
    const where = places();
    const pods = [...node.endpoints.values()]
      .flatMap(({ ips }) => ips)
      .filter((ip) => !ip.includes(":"))
      .map((address): GroupedPod => ({ address, groups: [], own: false, ...where.get(address) }));
    writeGroups(table.document(PART), this.#groups, pods, filtersGroup, log);
    await table.commit(PART);
  }

  async resync(): Promise<void> {}
}
