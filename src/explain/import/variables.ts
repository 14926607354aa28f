// What the environment variables of calico-node's containers become. Names and defaults are those of Calico's
// reference for calico/node and for Felix; a name that is not here has no equivalent that anybody knows of.
import type { Outcome, Rule, Target } from "./types.ts";

const unneeded =
  (why: string): Rule =>
  () => ({ verdict: "unneeded", why });
const none = (why: string): Outcome => ({ verdict: "no-equivalent", why });
const to = (target: Target, path: string, value: unknown, why: string): Outcome => ({
  to: target,
  path: `spec.${path}`,
  value,
  why,
});

/** Returns whether Go's ParseBool, or Calico's words on and off, say so; undefined for anything else. */
export function truth(value: string): boolean | undefined {
  if (/^(1|t|true|y|yes|on|enabled)$/i.test(value)) return true;
  return /^(0|f|false|n|no|off|disabled)$/i.test(value) ? false : undefined;
}

/** A switch that changes nothing while it is off. */
const offOnly =
  (off: string, on: string): Rule =>
  (value) =>
    truth(value) === false || value === "" ? { verdict: "unneeded", why: off } : none(on);
/** A setting with one value that is right here, too. */
const only =
  (right: RegExp, why: string, otherwise: string): Rule =>
  (value) =>
    right.test(value) ? { verdict: "unneeded", why } : none(otherwise);

const boolean =
  (target: Target, path: string, why: string): Rule =>
  (value) => {
    const is = truth(value);
    return is === undefined
      ? { verdict: "refused", why: `'${value}' is neither true nor false` }
      : to(target, path, is, why);
  };
/** A text that is no number is given on as it is: what checks the object says what is wrong with it. */
const number =
  (target: Target, path: string, why: string): Rule =>
  (value) =>
    to(target, path, /^\d+$/.test(value.trim()) ? Number(value) : value, why);
const text =
  (target: Target, path: string, why: string): Rule =>
  (value) =>
    to(target, path, value.trim(), why);

/** Calico takes Always, CrossSubnet and Never in any case, and its older words always, cross-subnet and off. */
const encapsulation =
  (target: Target, path: string): Rule =>
  (value) => {
    const word = value.trim().toLowerCase().replace("-", "");
    const mode = { always: "Always", crosssubnet: "CrossSubnet", never: "Never", off: "Never" }[word];
    return mode === undefined
      ? { verdict: "refused", why: `'${value}' is none of Always, CrossSubnet and Never` }
      : to(target, path, mode, "the pool's tunnel");
  };

export const backend: Rule = (value) => {
  if (value === "bird") return to("routing", "protocols", ["bgp"], "BIRD speaks BGP on every node");
  if (value === "vxlan") return to("routing", "protocols", [], "no BGP: the pool's VXLAN needs none");
  if (value === "none") return none("policies alone, on somebody else's network, are not built");
  return { verdict: "refused", why: `'${value}' is none of bird, vxlan and none` };
};

const family = (digit: 4 | 6) => {
  const path = `nodeAddress.ipv${digit}`;
  const method = digit === 4 ? "IP_AUTODETECTION_METHOD" : "IP6_AUTODETECTION_METHOD";
  const address: Rule = (value, effective) => {
    if (value === "none" || (digit === 6 && value === ""))
      return to("routing", path, "none", `nodes use no IPv${digit} address`);
    if (value === "autodetect" || value === "")
      return to("routing", path, effective(method) ?? "first-found", `found as ${method} says`);
    return none("one address cannot be that of every node; each node finds its own");
  };
  const detection: Rule = (value, effective) => {
    const on = effective(digit === 4 ? "IP" : "IP6");
    if (on === "none" || (digit === 6 && (on ?? "") === ""))
      return { verdict: "unneeded", why: `nodes use no IPv${digit} address` };
    return to("routing", path, value.trim(), "how a node finds its address");
  };
  return { address, detection };
};

function poolVariables(digit: 4 | 6): Record<string, Rule> {
  const target: Target = digit === 4 ? "pool4" : "pool6";
  const prefix = `CALICO_IPV${digit}POOL`;
  const rules: Record<string, Rule> = {
    [`${prefix}_CIDR`]: text(target, "cidr", "the pool's range"),
    [`${prefix}_BLOCK_SIZE`]: number(target, "blockSize", "prefix length of a node's blocks"),
    [`${prefix}_VXLAN`]: encapsulation(target, "vxlanMode"),
    [`${prefix}_NAT_OUTGOING`]: boolean(
      target,
      "natOutgoing",
      "whether pods leave the pools with their node's address",
    ),
    [`${prefix}_NODE_SELECTOR`]: text(target, "nodeSelector", "the nodes that may use it"),
    [`${prefix}_DISABLE_BGP_EXPORT`]: boolean(target, "disableBGPExport", "whether BGP is told of it"),
  };
  if (digit === 4) rules[`${prefix}_IPIP`] = encapsulation(target, "ipipMode");
  return rules;
}

const datastore = unneeded(
  "objects live in Trunkline's store; pools and peers that calicoctl printed can be applied as they are",
);
const logging = unneeded("daemons write to standard error; --log-level says how much");
const typha = unneeded("agents watch the store themselves");
const installer = unneeded(
  "`trunkline install-cni` writes the plugin and its configuration under its own names",
);
const identity = unneeded("the agent is started with its node's name");
const health = unneeded("the agent has /livez, /readyz and /metrics of its own (--health-port)");
const rules = unneeded("nftables rules are one table of the agent's, kept right by the kernel's own events");
const hostEndpoints = unneeded("there are no HostEndpoints whose rules it would change");
const wireGuard = offOnly("WireGuard is off", "traffic between nodes is not encrypted");
const ebpf = offOnly("eBPF is off", "the data path is the kernel's own with nftables, not eBPF");
const noIpSource = "pods can only send with their own address";

const calico: Record<string, Rule> = {
  ...poolVariables(4),
  ...poolVariables(6),
  CALICO_NETWORKING_BACKEND: backend,
  AS: number("bgp", "asNumber", "AS number of every node that has none of its own"),
  IP: family(4).address,
  IP_AUTODETECTION_METHOD: family(4).detection,
  IP6: family(6).address,
  IP6_AUTODETECTION_METHOD: family(6).detection,
  CNI_MTU: number("routing", "mtu.pod", "MTU of pods' links, in bytes; 0: found by itself"),
  FELIX_IPINIPMTU: number("routing", "mtu.ipip", "MTU of tunl0, in bytes; 0: found by itself"),
  FELIX_VXLANMTU: number("routing", "mtu.vxlan", "MTU of VXLAN's device, in bytes; 0: found by itself"),
  FELIX_VXLANMTUV6: (value, effective) =>
    value === (effective("FELIX_VXLANMTU") ?? "0")
      ? { verdict: "unneeded", why: "the same as FELIX_VXLANMTU" }
      : none("spec.mtu.vxlan holds for both families"),
  NO_DEFAULT_POOLS: (value) => ({
    verdict: "unneeded",
    why: truth(value) === true ? "no pool is made: bring your own IPPools" : "the pools below are made",
  }),
  CALICO_ROUTER_ID: (value) =>
    value === "" ? { verdict: "unneeded", why: "not set" } : none("a router's id is its node's IPv4 address"),
  DISABLE_NODE_IP_CHECK: offOnly(
    "addresses that two nodes have are reported",
    "the check cannot be turned off",
  ),
  FELIX_DEFAULTENDPOINTTOHOSTACTION: (value) =>
    /^(accept|return)$/i.test(value)
      ? { verdict: "unneeded", why: "pods reach their own node unless a policy of theirs forbids it" }
      : none("pods reach their own node; isolate them for egress to forbid it"),
  FELIX_IPV6SUPPORT: unneeded("pods have IPv6 where there is a pool of it"),
  FELIX_VXLANVNI: only(/^4096$/, "the same number is used", "the VXLAN network's number is 4096"),
  FELIX_VXLANPORT: only(/^4789$/, "the same port is used", "VXLAN's port is 4789"),
  FELIX_IPINIPENABLED: unneeded("the pools say so"),
  FELIX_VXLANENABLED: unneeded("the pools say so"),
  FELIX_NATPORTRANGE: only(/^(0|)$/, "not set", "SourceNAT objects choose addresses, not ports"),
  FELIX_NATOUTGOINGADDRESS: only(/^$/, "not set", "write a SourceNAT object that names the address"),
  FELIX_NATOUTGOINGEXCLUSIONS: only(
    /^(IPPoolsOnly|)$/i,
    "pools' ranges are left out here, too",
    "write a SourceNAT object that names the nodes' range",
  ),
  FELIX_IPTABLESNATOUTGOINGINTERFACEFILTER: only(/^$/, "not set", "source NAT does not look at interfaces"),
  FELIX_MTUIFACEPATTERN: only(
    /^\^\(\(en\|wl\|ww\|sl\|ib\)\[Pcopsvx\]\.\*\|\(eth\|wlan\|wwan\)\.\*\)$/,
    "the same names count as cards",
    "which links count for the MTU is not a setting; spec.mtu is",
  ),
  FELIX_EXTERNALNODESCIDRLIST: only(
    /^$/,
    "not set",
    "tunnel packets are taken from the cluster's nodes alone",
  ),
  FELIX_ALLOWVXLANPACKETSFROMWORKLOADS: offOnly(
    "pods cannot send them",
    "pods cannot send nodes VXLAN packets",
  ),
  FELIX_ALLOWIPIPPACKETSFROMWORKLOADS: offOnly(
    "pods cannot send them",
    "pods cannot send nodes IP in IP packets",
  ),
  FELIX_WORKLOADSOURCESPOOFING: only(/^(disabled|)$/i, noIpSource, noIpSource),
  FELIX_SERVICELOOPPREVENTION: only(
    /^disabled$/i,
    "not asked for",
    "packets to unused Service addresses go their way",
  ),
  FELIX_FLOATINGIPS: offOnly("there are none", "floating addresses are not built"),
  FELIX_FLOWLOGSENABLED: offOnly("there are none", "flow logs are not built; `policy show` counts"),
};

const alike: readonly (readonly [Rule, string])[] = [
  [
    datastore,
    "DATASTORE_TYPE FELIX_DATASTORETYPE ETCD_ENDPOINTS ETCD_CA_CERT_FILE ETCD_KEY_FILE ETCD_CERT_FILE",
  ],
  [datastore, "ETCD_DISCOVERY_SRV FELIX_ETCDENDPOINTS FELIX_ETCDADDR FELIX_ETCDCAFILE FELIX_ETCDCERTFILE"],
  [datastore, "FELIX_ETCDKEYFILE FELIX_ETCDSCHEME WAIT_FOR_DATASTORE CALICO_API_GROUP"],
  [logging, "CALICO_DISABLE_FILE_LOGGING FELIX_LOGSEVERITYSCREEN FELIX_LOGSEVERITYFILE FELIX_LOGSEVERITYSYS"],
  [logging, "FELIX_LOGFILEPATH FELIX_LOGPREFIX FELIX_LOGDEBUGFILENAMEREGEX BGP_LOGSEVERITYSCREEN"],
  [logging, "CALICO_STARTUP_LOGLEVEL LOG_LEVEL"],
  [typha, "FELIX_TYPHAK8SSERVICENAME FELIX_TYPHAK8SNAMESPACE FELIX_TYPHAADDR FELIX_TYPHACAFILE"],
  [typha, "FELIX_TYPHACERTFILE FELIX_TYPHAKEYFILE FELIX_TYPHACN FELIX_TYPHAURISAN FELIX_TYPHAREADTIMEOUT"],
  [typha, "FELIX_TYPHAWRITETIMEOUT"],
  [
    installer,
    "CNI_CONF_NAME CNI_NET_DIR CNI_BIN_DIR SLEEP UPDATE_CNI_BINARIES SKIP_CNI_BINARIES CNI_PLUGIN_LOG_FILE",
  ],
  [
    installer,
    "CALICO_MANAGE_CNI CALICO_CNI_SERVICE_ACCOUNT CNI_CONF_ETCD_CA CNI_CONF_ETCD_CERT CNI_CONF_ETCD_KEY",
  ],
  [installer, "CNI_OLD_CONF_NAME"],
  [unneeded("each of its fields has a line of its own"), "CNI_NETWORK_CONFIG CNI_NETWORK_CONFIG_FILE"],
  [identity, "NODENAME FELIX_FELIXHOSTNAME CALICO_K8S_NODE_REF KUBERNETES_NODE_NAME CALICO_NODENAME_FILE"],
  [unneeded("nothing depends on it"), "CLUSTER_TYPE FELIX_USAGEREPORTINGENABLED CALICO_UNIQUE_CLUSTER_NAME"],
  [unneeded("nothing depends on it"), "FELIX_REPORTINGINTERVALSECS FELIX_REPORTINGTTLSECS FELIX_CLUSTERGUID"],
  [
    unneeded("nothing depends on it"),
    "FELIX_USAGEREPORTINGINITIALDELAYSECS FELIX_USAGEREPORTINGINTERVALSECS",
  ],
  [unneeded("links are looked at again whenever they change"), "AUTODETECT_POLL_INTERVAL"],
  [
    unneeded("--kubeconfig or --store says where the API is"),
    "KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT",
  ],
  [
    unneeded("--kubeconfig or --store says where the API is"),
    "KUBECONFIG K8S_API_ENDPOINT KUBERNETES_MASTER",
  ],
  [health, "FELIX_HEALTHENABLED FELIX_HEALTHPORT FELIX_HEALTHHOST FELIX_HEALTHTIMEOUTOVERRIDES"],
  [health, "FELIX_PROMETHEUSMETRICSENABLED FELIX_PROMETHEUSMETRICSPORT FELIX_PROMETHEUSMETRICSHOST"],
  [health, "FELIX_PROMETHEUSGOMETRICSENABLED FELIX_PROMETHEUSPROCESSMETRICSENABLED"],
  [
    rules,
    "FELIX_IPTABLESBACKEND FELIX_NFTABLESMODE FELIX_IPTABLESREFRESHINTERVAL FELIX_NFTABLESREFRESHINTERVAL",
  ],
  [rules, "FELIX_IPSETSREFRESHINTERVAL FELIX_ROUTEREFRESHINTERVAL FELIX_INTERFACEREFRESHINTERVAL"],
  [rules, "FELIX_IPTABLESLOCKFILEPATH FELIX_IPTABLESLOCKTIMEOUTSECS FELIX_IPTABLESLOCKPROBEINTERVALMILLIS"],
  [
    rules,
    "FELIX_CHAININSERTMODE FELIX_IPTABLESMARKMASK FELIX_NFTABLESMARKMASK FELIX_IPTABLESPOSTWRITECHECKINTERVALSECS",
  ],
  [
    rules,
    "FELIX_IGNORELOOSERPF FELIX_INTERFACEPREFIX FELIX_MAXIPSETSIZE FELIX_XDPENABLED FELIX_GENERICXDPENABLED",
  ],
  [rules, "FELIX_IPTABLESFILTERALLOWACTION FELIX_IPTABLESMANGLEALLOWACTION FELIX_REMOVEEXTERNALROUTES"],
  [rules, "FELIX_ROUTESOURCE FELIX_DEVICEROUTEPROTOCOL FELIX_PROGRAMCLUSTERROUTES FELIX_KUBENODEPORTRANGES"],
  [hostEndpoints, "FELIX_FAILSAFEINBOUNDHOSTPORTS FELIX_FAILSAFEOUTBOUNDHOSTPORTS FELIX_INTERFACEEXCLUDE"],
  [wireGuard, "FELIX_WIREGUARDENABLED FELIX_WIREGUARDENABLEDV6 FELIX_WIREGUARDHOSTENCRYPTIONENABLED"],
  [unneeded("there is no WireGuard that it would be for"), "FELIX_WIREGUARDMTU FELIX_WIREGUARDMTUV6"],
  [
    unneeded("there is no WireGuard that it would be for"),
    "FELIX_WIREGUARDLISTENINGPORT FELIX_WIREGUARDINTERFACENAME",
  ],
  [ebpf, "FELIX_BPFENABLED FELIX_BPFKUBEPROXYIPTABLESCLEANUPENABLED"],
  [unneeded("there is no eBPF that it would be for"), "FELIX_BPFLOGLEVEL FELIX_BPFEXTERNALSERVICEMODE"],
  [
    unneeded("there is no eBPF that it would be for"),
    "FELIX_BPFDATAIFACEPATTERN FELIX_BPFCONNECTTIMELOADBALANCING",
  ],
];

/** Returns what a variable becomes; undefined for one that nobody knows. */
export const variables: ReadonlyMap<string, Rule> = new Map([
  ...Object.entries(calico),
  ...alike.flatMap(([rule, names]) => names.split(" ").map((name) => [name, rule] as const)),
]);

/** Keys of the ConfigMap calico-config, which are variables under another name. */
export const configKeys: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ["calico_backend", backend],
  ["veth_mtu", number("routing", "mtu.pod", "MTU of pods' links, in bytes; 0: found by itself")],
  ["typha_service_name", typha],
  ["cni_network_config", unneeded("each of its fields has a line of its own")],
  ["cluster_type", unneeded("nothing depends on it")],
  ["as_number", number("bgp", "asNumber", "AS number of every node that has none of its own")],
  ...["etcd_endpoints", "etcd_ca", "etcd_cert", "etcd_key"].map((name) => [name, datastore] as const),
]);
