// The JSON interface /api/v1 (docs/ui.md): what it answers, as types that the page in web/ is checked against too. Fields may
// be added within a version; none changes its meaning or goes.
import type { AdmittedStranger, ListEntry, SinkState } from "../api/kinds/address-list.ts";
import type { Explanation } from "../explain/explain.ts";
import type { BlockUsage, PoolUsage } from "../plan/addressing/usage.ts";
import type { HeldAddress } from "../plan/subnets/pod-eni/ledger.ts";

/** GET /api/v1/about */
export interface About {
  readonly version: string;
  /** lab: a running lab, with all that is known of its machines. cluster, store: objects alone. */
  readonly kind: "lab" | "cluster" | "store";
  /** Of the lab, the context or the store. */
  readonly name: string;
  /** Whether POST /api/v1/probe sends packets; else why not. */
  readonly probe: true | string;
  /** Whether refused packets are known; else why not. */
  readonly refused: true | string;
  /** Counts changes of objects since the server started. */
  readonly revision: number;
  readonly namespaces: readonly string[];
}

/** Whatever goes wrong: a code that does not change, and words. */
export interface ApiError {
  readonly error: { readonly code: string; readonly message: string };
}

/** GET /api/v1/map */
export interface MapAnswer {
  readonly revision: number;
  readonly nodes: readonly MapNode[];
  /** Hosts and routers outside of the cluster. */
  readonly outside: readonly MapOutside[];
  /** Blocks of pools, and subnets. */
  readonly ranges: readonly MapRange[];
  readonly workloads: readonly MapWorkload[];
  /** In the order of names: a cluster has thousands, so each is a row of numbers and texts. */
  readonly pods: readonly MapPod[];
}

export interface MapNode {
  readonly name: string;
  readonly zone: string | null;
  readonly addresses: readonly string[];
  readonly ready: boolean;
}

export interface MapOutside {
  readonly name: string;
  readonly role: "host" | "router";
  readonly addresses: readonly string[];
  readonly ports: readonly string[];
  /** Ranges whose connections it takes; null: all. */
  readonly admit: readonly string[] | null;
}

export interface MapRange {
  readonly kind: "block" | "subnet";
  readonly cidr: string;
  /** Of a subnet its id; of a block the object's name. */
  readonly name: string;
  readonly pool: string | null;
  readonly zone: string | null;
  /** Of a block: whose it is. */
  readonly node: string | null;
}

export interface MapWorkload {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** Name, number of its workload, number of its node, number of its range, first address, phase; -1 and null: none. */
export type MapPod = readonly [
  name: string,
  workload: number,
  node: number,
  range: number,
  address: string | null,
  phase: string,
];

/** GET /api/v1/ends?q=&limit=: names for the fields of a question. */
export interface EndsAnswer {
  readonly ends: readonly string[];
}

export type Verdict = "yes" | "no" | "unknown";

/** One step of an answer, in the order in which a packet meets them. */
export interface Step {
  readonly stage: "address" | "egress" | "way" | "source" | "ingress" | "host" | "port" | "unknown";
  readonly title: string;
  /** Absent where there is nothing to say yes or no to. */
  readonly verdict?: Verdict;
  readonly text: readonly string[];
  /** `NetworkPolicy default/allow`, with a path in it: what decides this step. */
  readonly objects: readonly string[];
  /** The answer hangs on this step. */
  readonly decides: boolean;
}

/** GET /api/v1/explain?from=&to=&namespace= */
export interface ExplainAnswer {
  readonly verdict: Verdict;
  /** The answer in one line. */
  readonly headline: string;
  readonly steps: readonly Step[];
  /** The same as `trunkline explain -o json`. */
  readonly explanation: Explanation;
}

/** POST /api/v1/probe with `{from, to, namespace}` as JSON: what the lab's packets found. */
export interface ProbeRequest {
  readonly from: string;
  readonly to: string;
  readonly namespace?: string;
}

export interface ProbeResult {
  readonly from: string;
  readonly to: string;
  readonly port: string | null;
  readonly reachable: boolean;
  readonly sourceSeen: string | null;
  readonly latencyMs: number | null;
  readonly error: string | null;
}

/** GET /api/v1/matrix?namespace=&selector=&fold=&port=&hosts= */
export interface MatrixAnswer {
  readonly revision: number;
  readonly rows: readonly MatrixEnd[];
  readonly columns: readonly MatrixEnd[];
  /** `80/tcp`: each has a grid. */
  readonly ports: readonly string[];
  /** By port and row a text with one sign a column: `+` allowed, `.` denied, `?` cannot tell, space: not asked. */
  readonly grids: Readonly<Record<string, readonly string[]>>;
  /** `fold`: pods of a workload are one row, and one pod of each was asked. */
  readonly folded: boolean;
  /** Ends that were left out, as the answer would be too large. */
  readonly left: number;
}

export interface MatrixEnd {
  /** As a question names it. */
  readonly name: string;
  readonly label: string;
  readonly namespace: string | null;
  /** How many pods it stands for. */
  readonly pods: number;
}

/** GET /api/v1/addresses?range=&q=&limit=&offset= */
export interface AddressesAnswer {
  readonly pools: readonly PoolUsage[];
  readonly blocks: readonly BlockUsage[];
  readonly subnets: readonly SubnetUsage[];
  /** Addresses that are held for names. */
  readonly held: readonly HeldAddress[];
  readonly holders: readonly Holder[];
  /** How many there are in all. */
  readonly total: number;
}

export interface SubnetUsage {
  readonly name: string;
  readonly cidr: string;
  readonly zone: string;
  /** null: nobody has said yet. */
  readonly total: number | null;
  readonly available: number | null;
  readonly pods: number | null;
  readonly shortBy: number;
}

export interface Holder {
  readonly address: string;
  /** `pod/NAMESPACE/NAME`, or what else has it. */
  readonly name: string;
  readonly node: string | null;
  /** Block or subnet. */
  readonly range: string | null;
  readonly since: string | null;
}

/** GET /api/v1/lists */
export interface ListsAnswer {
  readonly lists: readonly ListState[];
  /** What /api/v1/lists/NAME?form= may be. */
  readonly forms: readonly string[];
}

export interface ListState {
  readonly name: string;
  readonly to: string;
  readonly revision: number;
  readonly ranges: readonly string[];
  readonly entries: readonly ListEntry[];
  readonly strangers: readonly AdmittedStranger[];
  readonly unknown: readonly string[];
  readonly sinks: readonly (SinkState & { readonly type: string })[];
  readonly ready: { readonly status: string; readonly message: string } | null;
}

/** GET /api/v1/lists/NAME?form= */
export interface ListText {
  readonly text: string;
}

/** GET /api/v1/refused, and event `refused` of GET /api/v1/refused/stream. */
export interface RefusedAnswer {
  readonly refusals: readonly RefusedPackets[];
  /** Nodes that did not answer or cannot hear, and why. */
  readonly silent: readonly { readonly node: string; readonly why: string }[];
}

export interface RefusedPackets {
  /** Equal for what is one entry: the last word about it counts. */
  readonly id: string;
  readonly first: string;
  readonly last: string;
  readonly packets: number;
  readonly node: string;
  readonly direction: "ingress" | "egress";
  readonly from: { readonly name: string | null; readonly address: string };
  readonly to: { readonly name: string | null; readonly address: string };
  readonly port: string;
  readonly by: string;
  readonly policies: readonly string[];
  readonly reason: string;
  readonly help: string | null;
}

/** Event `change` of GET /api/v1/events: objects changed. */
export interface ChangeEvent {
  readonly revision: number;
  /** Plural names of kinds. */
  readonly kinds: readonly string[];
}
