// Admission policies (admissionregistration.k8s.io/v1, CEL). An agent's token tells its node (Kubernetes 1.32: the claim of
// the node that its pod is bound to); with a stolen one nothing can be written that is not that node's own. And pools whose
// ranges overlap are refused by the API server itself.
import { nodeTag } from "../../cloud/types.ts";
import { networkReadyCondition } from "../../plan/subnets/demand.ts";
import type { Part } from "./rights.ts";
import type { Condition, Values } from "./settings.ts";

const api = "admissionregistration.k8s.io/v1";
const claim = "authentication.kubernetes.io/node-name";

interface Validation {
  readonly expression: string;
  readonly message?: string;
  readonly messageExpression?: string;
}

interface Target {
  readonly group: string;
  readonly version: string;
  readonly resources: readonly string[];
  readonly operations: readonly string[];
}

/** The requesting agent's node; empty for a token that is not bound to one, which then owns nothing. */
const node = {
  name: "node",
  expression: `'${claim}' in request.userInfo.extra ? request.userInfo.extra['${claim}'][0] : ''`,
};

function agentPolicy(
  part: string,
  target: Target,
  validations: readonly Validation[],
  values: Values,
  when?: Condition,
): Part[] {
  const name = `trunkline-agent-${part}.trunkline.dev`;
  const agent = `system:serviceaccount:${String(values("namespace"))}:trunkline-agent`;
  const matchConditions = [{ name: "agent", expression: `request.userInfo.username == '${agent}'` }];
  const parts = policy(name, target, { matchConditions, variables: [node], validations });
  return parts.map((part) => ({ ...part, when }));
}

function policy(
  name: string,
  { group, version, resources, operations }: Target,
  rest: { readonly validations: readonly Validation[]; readonly [key: string]: unknown },
  binding: object = {},
): Part[] {
  const rule = { apiGroups: [group], apiVersions: [version], operations, resources };
  return [
    {
      object: {
        apiVersion: api,
        kind: "ValidatingAdmissionPolicy",
        metadata: { name },
        spec: { failurePolicy: "Fail", matchConstraints: { resourceRules: [rule] }, ...rest },
      },
    },
    {
      object: {
        apiVersion: api,
        kind: "ValidatingAdmissionPolicyBinding",
        metadata: { name },
        spec: { policyName: name, validationActions: ["Deny"], ...binding },
      },
    },
  ];
}

const list = (place: string, field: string) => `(has(${place}.${field}) ? ${place}.${field} : [])`;
/** Entries of a list that are about other nodes are as they were. */
const othersKept = (field: string) =>
  `${list("object.spec", field)}.filter(e, e.node != variables.node) == ${list("oldObject.spec", field)}.filter(e, e.node != variables.node)`;

const nodesOwn: readonly Validation[] = [
  { expression: "object.metadata.name == variables.node", message: "an agent writes to its own Node only" },
  {
    expression: `(has(object.metadata.labels) ? object.metadata.labels : {}) == (has(oldObject.metadata.labels) ? oldObject.metadata.labels : {})`,
    message: "an agent does not change a Node's labels, which say what may run there",
  },
  {
    expression: `${list("object.spec", "taints")}.all(t, t in ${list("oldObject.spec", "taints")})`,
    message: "an agent only takes taints away",
  },
  {
    expression: `(has(object.spec.unschedulable) && object.spec.unschedulable) == (has(oldObject.spec.unschedulable) && oldObject.spec.unschedulable) && ${list("object.spec", "podCIDRs")} == ${list("oldObject.spec", "podCIDRs")} && (has(object.spec.providerID) ? object.spec.providerID : '') == (has(oldObject.spec.providerID) ? oldObject.spec.providerID : '')`,
    message: "of a Node's spec an agent changes taints only",
  },
];

const blocksOwn: readonly Validation[] = [
  {
    expression: "request.operation != 'CREATE' || object.spec.node == variables.node",
    message: "an agent claims blocks for its own node only",
  },
  {
    expression: "request.operation != 'DELETE' || oldObject.spec.node == variables.node",
    message: "an agent gives back blocks of its own node only",
  },
  {
    expression:
      "request.operation != 'UPDATE' || oldObject.spec.node != variables.node || object.spec.node == variables.node",
    message: "an agent gives a block to nobody",
  },
  {
    // A borrower asks, withdraws, returns, and takes off orders that it has carried out.
    expression: [
      "request.operation != 'UPDATE' || oldObject.spec.node == variables.node",
      `(object.spec.node == oldObject.spec.node && object.spec.cidr == oldObject.spec.cidr && object.spec.pool == oldObject.spec.pool && object.spec.state == oldObject.spec.state && ${othersKept("loans")} && ${othersKept("requests")} && ${othersKept("releases")} && ${list("object.spec", "loans")}.all(l, ${list("oldObject.spec", "loans")}.exists(o, o.address == l.address && o.node == l.node && (has(o.seq) ? o.seq : 0) == (has(l.seq) ? l.seq : 0))))`,
    ].join(" || "),
    message: "of another node's block an agent changes only what is about its own loans",
  },
];

const leasesOwn: readonly Validation[] = [
  {
    expression: "object.metadata.name.startsWith('trunkline-egress-')",
    message: "an agent writes leases on egress addresses only",
  },
  {
    expression: `(has(object.spec.holderIdentity) ? object.spec.holderIdentity : '') == variables.node || (request.operation == 'UPDATE' && (!has(object.spec.holderIdentity) || object.spec.holderIdentity == '') && has(oldObject.spec.holderIdentity) && oldObject.spec.holderIdentity == variables.node)`,
    message: "an agent holds and gives back leases for its own node only",
  },
];

const statusOf = (place: string, field: string) =>
  `(has(${place}.status) && has(${place}.status.${field}) ? ${place}.status.${field} : [])`;
/** Entries about other nodes may go, as those nodes have, but none comes. */
const noneForOthers = (field: string): Validation => ({
  expression: `${statusOf("object", field)}.all(e, e.node == variables.node || e in ${statusOf("oldObject", field)})`,
  message: `an agent writes ${field} of its own node only`,
});

/** What is admitted is the controller's to say: an agent asks for its pods, and tells of its own sinks. */
const listsOwn: readonly Validation[] = [
  {
    expression: ["ranges", "entries"]
      .map((field) => `${statusOf("object", field)} == ${statusOf("oldObject", field)}`)
      .join(" && "),
    message: "an agent does not write what an AddressList holds",
  },
  noneForOthers("asked"),
  {
    expression: `${statusOf("object", "sinks")}.all(e, e.at == 'node/' + variables.node || e in ${statusOf("oldObject", "sinks")})`,
    message: "an agent tells of its own node's sinks only",
  },
];

/** Fields of a pod's status that a kubelet writes, beside conditions. */
const kubelets =
  "phase podIP podIPs hostIP hostIPs reason message startTime qosClass containerStatuses initContainerStatuses ephemeralContainerStatuses nominatedNodeName resize resourceClaimStatuses observedGeneration".split(
    " ",
  );
const same = (field: string) =>
  `has(object.${field}) == has(oldObject.${field}) && (!has(object.${field}) || object.${field} == oldObject.${field})`;
const othersConditions = (place: string) =>
  `${statusOf(place, "conditions")}.filter(c, c.type != '${networkReadyCondition}')`;

/** What its pods wait for is an agent's to say, and nothing else of them: a pod's network is in its annotations. */
const podsOwn: readonly Validation[] = [
  {
    expression: "has(object.spec.nodeName) && object.spec.nodeName == variables.node",
    message: "an agent writes the status of its own node's pods only",
  },
  {
    expression: [
      ...["labels", "annotations", "finalizers"].map((field) => same(`metadata.${field}`)),
      "has(object.status) && has(oldObject.status)",
      ...kubelets.map((field) => same(`status.${field}`)),
      `${othersConditions("object")} == ${othersConditions("oldObject")}`,
    ].join(" && "),
    message: `an agent writes condition ${networkReadyCondition} of a pod only`,
  },
];

/** Interfaces of a subnet's book that are no business of the agent's. */
const othersInterfaces = (place: string) =>
  `(${place} == null ? [] : ${list(`${place}.spec`, "interfaces")}).filter(e, has(e.instanceID) ? e.instanceID != variables.node : !('${nodeTag}' in e.tags && e.tags['${nodeTag}'] == variables.node))`;

const ledgersOwn: readonly Validation[] = [
  {
    expression: `${othersInterfaces("object")} == ${othersInterfaces("oldObject")}`,
    message: "an agent writes interfaces of its own node only",
  },
];

/** Returns the policies and their bindings. */
export function admission(values: Values): readonly Part[] {
  const own = { group: "trunkline.dev", version: "v1alpha1" };
  const calico = { group: "crd.projectcalico.org", version: "v1" };
  return [
    ...agentPolicy(
      "nodes",
      { group: "", version: "v1", resources: ["nodes", "nodes/status"], operations: ["CREATE", "UPDATE"] },
      nodesOwn,
      values,
    ),
    ...agentPolicy(
      "lists",
      { ...own, resources: ["addresslists/status"], operations: ["UPDATE"] },
      listsOwn,
      values,
    ),
    ...agentPolicy(
      "blocks",
      { ...own, resources: ["addressblocks"], operations: ["CREATE", "UPDATE", "DELETE"] },
      blocksOwn,
      values,
    ),
    ...agentPolicy(
      "block-status",
      { ...own, resources: ["addressblocks/status"], operations: ["UPDATE"] },
      [{ expression: "object.spec.node == variables.node", message: "an agent counts its own blocks only" }],
      values,
    ),
    ...agentPolicy(
      "config",
      {
        ...own,
        resources: ["nodeconfigs", "nodeconfigs/status"],
        operations: ["CREATE", "UPDATE", "DELETE"],
      },
      [
        {
          expression: "(object == null ? oldObject : object).metadata.name == variables.node",
          message: "an agent says what is in force on its own node only",
        },
      ],
      values,
    ),
    ...agentPolicy(
      "leases",
      {
        group: "coordination.k8s.io",
        version: "v1",
        resources: ["leases"],
        operations: ["CREATE", "UPDATE"],
      },
      leasesOwn,
      values,
    ),
    ...agentPolicy(
      "egress",
      { ...own, resources: ["sourcenats/status"], operations: ["UPDATE"] },
      [noneForOthers("holders")],
      values,
    ),
    ...agentPolicy(
      "sessions",
      { ...calico, resources: ["bgppeers/status"], operations: ["UPDATE"] },
      [noneForOthers("sessions")],
      values,
    ),
    ...agentPolicy(
      "events",
      { group: "", version: "v1", resources: ["events"], operations: ["CREATE", "UPDATE"] },
      [
        {
          expression: "has(object.source) && has(object.source.host) && object.source.host == variables.node",
          message: "an agent speaks for its own node only",
        },
      ],
      values,
    ),
    ...agentPolicy(
      "pods",
      { group: "", version: "v1", resources: ["pods/status"], operations: ["UPDATE"] },
      podsOwn,
      values,
      "provider",
    ),
    ...agentPolicy(
      "ledgers",
      { ...own, resources: ["subnetledgers"], operations: ["CREATE", "UPDATE"] },
      ledgersOwn,
      values,
      { setting: "provider", begins: "vlan" },
    ),
    ...pools(),
  ];
}

/**
 * Every pool that is there is a parameter, so the new one is compared with each. What is no range the definition's schema refuses;
 * one that was stored before overlaps nothing, and no node uses it.
 */
function pools(): Part[] {
  const paramKind = { apiVersion: "crd.projectcalico.org/v1", kind: "IPPool" };
  const both = "isCIDR(object.spec.cidr) && isCIDR(params.spec.cidr)";
  const validations: Validation[] = [
    {
      expression: `object.metadata.name == params.metadata.name || !(${both}) || !(cidr(object.spec.cidr).containsIP(cidr(params.spec.cidr).ip()) || cidr(params.spec.cidr).containsIP(cidr(object.spec.cidr).ip()))`,
      messageExpression: `'range ' + object.spec.cidr + ' overlaps ' + params.spec.cidr + ' of IPPool ' + params.metadata.name`,
    },
  ];
  const target = {
    group: "crd.projectcalico.org",
    version: "v1",
    resources: ["ippools"],
    operations: ["CREATE", "UPDATE"],
  };
  const binding = { paramRef: { selector: {}, parameterNotFoundAction: "Allow" } };
  return policy("trunkline-pool-overlap.trunkline.dev", target, { paramKind, validations }, binding);
}
