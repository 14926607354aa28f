// The precedence of everything that may decide a packet's source address, first match first. The same table stands in
// docs/snat.md (a test compares them); every decision names its row.

export interface SnatRow {
  readonly id: string;
  readonly when: string;
  readonly outcome: string;
}

export const snatRows = [
  {
    id: "not-a-pod",
    when: "the source is no address of a pod of this node, nor sent here for an egress address",
    outcome: "left alone",
  },
  {
    id: "own-node",
    when: "the destination is an address of the pod's own node",
    outcome: "the pod's own address",
  },
  { id: "pod-to-pod", when: "the destination is within the pods' ranges", outcome: "the pod's own address" },
  {
    id: "pod-none",
    when: "annotation `trunkline.dev/snat: none` on the pod",
    outcome: "the pod's own address",
  },
  {
    id: "pod-masquerade",
    when: "annotation `trunkline.dev/snat: masquerade` on the pod",
    outcome: "the node's address",
  },
  {
    id: "namespace-none",
    when: "annotation `trunkline.dev/snat: none` on the namespace",
    outcome: "the pod's own address",
  },
  {
    id: "namespace-masquerade",
    when: "annotation `trunkline.dev/snat: masquerade` on the namespace",
    outcome: "the node's address",
  },
  {
    id: "source-nat",
    when: "a rule of a SourceNAT object selects pod and destination (by priority, then name, then order of rules)",
    outcome: "what the rule says",
  },
  { id: "pool-off", when: "the pool says `natOutgoing: false`", outcome: "the pod's own address" },
  {
    id: "config-range",
    when: "the longest matching range of ConfigMap ip-masq-agent is in `nonMasqueradeCIDRs` or link-local",
    outcome: "the pod's own address",
  },
  {
    id: "config-inverse",
    when: "the longest matching range of ConfigMap ip-masq-agent is in `masqueradeCIDRs`",
    outcome: "the node's address",
  },
  {
    id: "config-others",
    when: "ConfigMap ip-masq-agent is there, no range of it matches",
    outcome: "the node's address; with `masqueradeCIDRs` alone the pod's own",
  },
  { id: "pool-on", when: "the pool says `natOutgoing: true`", outcome: "the node's address" },
  { id: "nothing", when: "nothing asks for translation", outcome: "the pod's own address" },
] as const satisfies readonly SnatRow[];

export type SnatRowId = (typeof snatRows)[number]["id"];
