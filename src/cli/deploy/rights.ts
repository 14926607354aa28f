// Who may do what: the least that agents and controller need. test/kube/rights.test.ts proves by the API server's audit log
// that every verb here is used, and that none is missing.
import { customKinds } from "../../api/kinds/index.ts";
import { subnetLedgerKind } from "../../api/kinds/subnet-ledger.ts";
import type { Condition, Values } from "./settings.ts";

export interface Part {
  readonly object: Readonly<Record<string, unknown>>;
  /** Where it is there; default: always. */
  readonly when?: Condition | undefined;
}

export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

const rbac = "rbac.authorization.k8s.io/v1";
const own = "trunkline.dev";
const calico = "crd.projectcalico.org";
const terway = "network.alibabacloud.com";

const can = (group: string, resources: string, verbs: string): Rule => ({
  apiGroups: [group],
  resources: resources.split(" "),
  verbs: verbs.split(" "),
});

/** An agent follows every kind of ours, but for the book that only a provider of subnets keeps. */
function followed(verbs: string): Rule[] {
  const kinds = customKinds.filter((kind) => kind !== subnetLedgerKind);
  const groups = Map.groupBy(kinds, ({ apiVersion }) => apiVersion.split("/")[0] ?? "");
  return [...groups].map(([group, members]) =>
    can(group, members.map(({ plural }) => plural).join(" "), verbs),
  );
}

/** For the whole cluster. */
export const agentRules: readonly Rule[] = [
  can("", "nodes", "get list watch patch"),
  can("", "nodes/status", "patch"),
  can("", "namespaces pods", "list watch"),
  can("", "events", "get create patch"),
  can("networking.k8s.io", "networkpolicies servicecidrs", "list watch"),
  ...followed("list watch"),
  can(calico, "bgppeers", "get"),
  can(calico, "bgppeers/status", "patch"),
  can(own, "addressblocks", "get create patch delete"),
  can(own, "addressblocks/status", "patch"),
  can(own, "sourcenats", "get"),
  can(own, "sourcenats/status", "patch"),
  can(own, "addresslists", "get"),
  can(own, "addresslists/status", "patch"),
  can(own, "nodeconfigs", "get create delete"),
  can(own, "nodeconfigs/status", "patch"),
];

/** With a provider of subnets an agent says on a pod what it waits for. */
export const agentProviderRules: readonly Rule[] = [can("", "pods", "get"), can("", "pods/status", "patch")];

/** With provider vlan the book of a subnet's addresses is an object, and whoever changes it knows the subnet. */
export const agentVlanRules: readonly Rule[] = [
  can(own, "subnets", "get"),
  can(own, "subnetledgers", "get list create patch"),
];

/** In kube-system. */
export const agentSettingsRules: readonly Rule[] = [
  can("", "configmaps", "list watch"),
  can("coordination.k8s.io", "leases", "get create patch"),
];

export const controllerRules: readonly Rule[] = [
  can("", "nodes pods namespaces", "list watch"),
  can("", "events", "get create patch"),
  can("networking.k8s.io", "networkpolicies servicecidrs", "list watch"),
  can(calico, "ippools", "get list watch create"),
  can(calico, "ippools/status", "patch"),
  can(own, "addressblocks", "get list watch patch delete"),
  can(own, "sourcenats", "get list watch"),
  can(own, "sourcenats/status", "patch"),
  can(own, "hosts subnets nodeconfigs", "list watch"),
  can(own, "addresslists", "get list watch"),
  can(own, "addresslists/status", "patch"),
  can(terway, "podenis", "list watch"),
  // Without a provider of subnets it only says that there is none.
  can(terway, "podnetworkings", "get list watch"),
  can(terway, "podnetworkings/status", "patch"),
];

/** With a provider of subnets: interfaces of pods' own, figures of subnets, and what pods wait for. */
export const controllerProviderRules: readonly Rule[] = [
  can("", "pods", "get patch"),
  can("", "pods/status", "patch"),
  can(own, "subnets", "get"),
  can(own, "subnets/status", "patch"),
  can(terway, "podenis", "get create patch delete"),
  can(terway, "podenis/status", "patch"),
];

export const controllerVlanRules: readonly Rule[] = [
  can("", "nodes", "get"),
  can(own, "subnetledgers", "get list create patch"),
  can(own, "securitygroups", "list"),
];

/** A cloud's subnets become objects, and a node's trunk is noted on the node before it is made. */
export const controllerAlibabaRules: readonly Rule[] = [
  can("", "nodes", "get patch"),
  can(own, "subnets", "create"),
];

/** With the page: all that it shows. Of passwords it knows nothing. */
export const controllerPageRules: readonly Rule[] = [
  ...followed("list watch"),
  can("", "services", "list"),
  can("discovery.k8s.io", "endpointslices", "list"),
];

export const controllerSettingsRules: readonly Rule[] = [
  can("", "configmaps", "get list watch create"),
  can("coordination.k8s.io", "leases", "get create patch"),
];

/** The namespace of settings and leases, wherever the programs run. */
const settingsNamespace = "kube-system";

/** Returns the service accounts and all that they may do. */
export function rights(values: Values): readonly Part[] {
  const namespace = values("namespace");
  const account = (name: string): Part => ({
    object: { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } },
  });
  const bound = (
    kind: "ClusterRole" | "Role",
    name: string,
    to: string,
    rules: readonly Rule[],
    when?: Condition,
  ) => {
    const place = kind === "Role" ? { namespace: settingsNamespace } : {};
    const parts: Part[] = [
      { object: { apiVersion: rbac, kind, metadata: { name, ...place }, rules } },
      {
        object: {
          apiVersion: rbac,
          kind: `${kind}Binding`,
          metadata: { name, ...place },
          roleRef: { apiGroup: "rbac.authorization.k8s.io", kind, name },
          subjects: [{ kind: "ServiceAccount", name: to, namespace }],
        },
      },
    ];
    return parts.map((part) => ({ ...part, when }));
  };
  const vlan = { setting: "provider", begins: "vlan" } as const;
  const alibaba = { setting: "provider", begins: "alibaba:" } as const;
  const [agent, controller] = ["trunkline-agent", "trunkline-controller"];
  return [
    account(agent),
    account(controller),
    ...bound("ClusterRole", agent, agent, agentRules),
    ...bound("Role", agent, agent, agentSettingsRules),
    ...bound("ClusterRole", "trunkline-agent-provider", agent, agentProviderRules, "provider"),
    ...bound("ClusterRole", "trunkline-agent-vlan", agent, agentVlanRules, vlan),
    ...bound("Role", "trunkline-agent-passwords", agent, [can("", "secrets", "list watch")], "bgp.passwords"),
    ...bound("ClusterRole", controller, controller, controllerRules),
    ...bound("ClusterRole", "trunkline-controller-provider", controller, controllerProviderRules, "provider"),
    ...bound("ClusterRole", "trunkline-controller-vlan", controller, controllerVlanRules, vlan),
    ...bound("ClusterRole", "trunkline-controller-alibaba", controller, controllerAlibabaRules, alibaba),
    ...bound("ClusterRole", "trunkline-controller-page", controller, controllerPageRules, "ui.listen"),
    ...bound("Role", controller, controller, controllerSettingsRules),
  ];
}
