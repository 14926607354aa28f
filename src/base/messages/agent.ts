export const agentMessages = {
  "agent.interface-exists": (d: { name: string; netns: string }) =>
    `the namespace ${d.netns} has an interface ${d.name} already`,
  "agent.wire-lost": (d: { name: string; netns: string }) =>
    `the interface ${d.name} in ${d.netns} went away while it was being set up`,
  "agent.bandwidth": (d: { pod: string; annotation: string; value: string; why: string }) =>
    `annotation ${d.annotation} of pod ${d.pod} is '${d.value}': ${d.why}`,
  "agent.no-limit": (d: { pod: string; why: string }) =>
    `the bandwidth of pod ${d.pod} cannot be limited as its annotations ask for (the kernel's token bucket filter, sch_tbf): ${d.why}`,
  "agent.probe": (d: { what: string; value: string }) => `${d.what} cannot be '${d.value}'`,
  "agent.no-such-pod": (d: { pod: string }) => `this node has no pod ${d.pod}`,
  "agent.journal": (d: { path: string; why: string }) =>
    `The journal of pods' interfaces ${d.path} cannot be written: ${d.why}`,
  "agent.no-ipv6": (d: { ips: readonly string[] }) =>
    `this machine's kernel has no IPv6, so the pod cannot have ${d.ips.join(", ")}: start the kernel with it, or give the pod IPv4 addresses only`,
  "agent.not-applied": (d: { seconds: number; manager: string; why: string }) =>
    `the pod's ${d.manager} rules could not be put in force within ${d.seconds} s: ${d.why}`,
  "agent.not-serving": (d: { path: string; seconds: number; why: string }) =>
    `the agent at ${d.path} was not ready within ${d.seconds} s: ${d.why}`,
  "agent.no-shim": (d: { path: string }) =>
    `the CNI plugin's executable ${d.path} is missing; run 'npm run build' first`,
  "agent.socket-in-use": (d: { path: string }) => `another agent serves ${d.path}`,
  "forward.dropped": (d: { table: string; chain: string; family: number; commands: readonly string[] }) =>
    `chain ${d.chain} of nftables table ${d.table}, another program's, drops all IPv${d.family} packets of pods, which no rule in another table can change; let them pass: ${d.commands.join(" && ")}`,
  "forward.no-tool": (d: { store: string; family: number }) =>
    `${d.store}'s FORWARD chain drops pods' IPv${d.family} packets by its policy, and its tool to let them pass is not installed (package iptables)`,
  "agent.no-flows": (d: { why: string }) =>
    `RoutingConfiguration default asks for flow tables, and open connections do not go through them: ${d.why}`,
  "agent.kernel-no-flows": (d: { text: string }) => `the kernel has no flow tables (nft: ${d.text})`,
  "agent.flows-foreign": (d: { rule: string }) =>
    `another program's rule may stop or change packets of open connections, and would not see them: ${d.rule}`,
  "agent.flows-ipsec": (d: { policies: number }) =>
    `the node has ${d.policies} IPsec policies, which packets in flow tables would pass by`,
  "agent.no-uplink": (d: { node: string; addresses: readonly string[] }) =>
    d.addresses.length === 0
      ? `node ${d.node} has no InternalIP`
      : `no interface of this machine holds an address of node ${d.node} (${d.addresses.join(", ")})`,
};
