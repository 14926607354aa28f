// The same policies as one iptables chain per pod and per policy, in the way of kube-router: for comparison only.
import type { BenchCluster } from "./cluster.ts";
import { ipOf } from "./cluster.ts";

const mark = "0x10000";

/** Returns input for iptables-restore: makePathCluster's policies, ingress, one peer address each. */
export function chainsPerPod({ facts }: BenchCluster): string {
  const heads: string[] = ["*filter", ":FORWARD ACCEPT [0:0]", ":ROUTER-FORWARD - [0:0]"];
  const rules: string[] = ["-A FORWARD -j ROUTER-FORWARD"];
  const servers = [...facts.pods.values()].filter((pod) => pod.metadata.labels?.["app"] === "server");
  for (const [at, pod] of servers.entries()) {
    const namespace = pod.metadata.namespace ?? "";
    const policies = [...facts.policies.values()].filter((policy) => policy.metadata.namespace === namespace);
    if (policies.length === 0) continue;
    const podIp = pod.status?.podIP ?? "";
    const chain = `POD-FW-${at}`;
    heads.push(`:${chain} - [0:0]`);
    rules.push(`-A ROUTER-FORWARD -d ${podIp} -j ${chain}`);
    rules.push(`-A ${chain} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`);
    for (const policy of policies) {
      const policyChain = `NWPLCY-${at}-${policy.metadata.name.slice(7)}`;
      heads.push(`:${policyChain} - [0:0]`);
      rules.push(`-A ${chain} -j ${policyChain}`);
      const [rule] = policy.spec.ingress ?? [];
      const peer = rule?.from?.[0]?.podSelector?.matchLabels?.["peer"];
      const source = peer === undefined ? ipOf(2 * at + 1) : ipOf(1000 + Number(peer));
      for (const { port, protocol = "TCP" } of rule?.ports ?? []) {
        const match = `-s ${source} -d ${podIp} -p ${protocol.toLowerCase()} --dport ${port}`;
        rules.push(`-A ${policyChain} ${match} -j MARK --set-xmark ${mark}/${mark}`);
        rules.push(`-A ${policyChain} ${match} -m mark --mark ${mark}/${mark} -j RETURN`);
      }
    }
    rules.push(`-A ${chain} -m mark ! --mark ${mark}/${mark} -j DROP`);
    rules.push(`-A ${chain} -j MARK --set-xmark 0x0/${mark}`);
  }
  return `${[...heads, ...rules, "COMMIT"].join("\n")}\n`;
}
