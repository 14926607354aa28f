export const subnetMessages = {
  "subnet.exhausted": (d: { zone: string; vSwitchIDs: readonly string[]; total: number | null }) =>
    `${d.vSwitchIDs.length === 1 ? "vSwitch" : "vSwitches"} ${d.vSwitchIDs.join(", ")} (zone ${d.zone}) ${d.vSwitchIDs.length === 1 ? "has" : "have"} no free address${d.total === null ? "" : ` of ${d.total}`}: ` +
    `delete pods that have addresses of it, or add a vSwitch to vswitches.${d.zone} of eni-config`,
  "subnet.node-full": (d: { node: string; interfaces: number; addresses: number }) =>
    `node ${d.node} is full: its machine takes ${d.interfaces} interfaces for pods, with ${d.addresses} addresses each; ` +
    `let pods run on other nodes, or use a larger machine`,
  "subnet.config": (d: { node: string; reason: string; message: string }) =>
    `the network configuration of node ${d.node} is unusable (${d.reason}): ${d.message}`,
  "subnet.no-provider": (d: { node: string }) =>
    `eni-config gives node ${d.node} vSwitches, and its agent has no provider to ask for interfaces: start it with --provider`,
  "subnet.no-instance": (d: { node: string }) =>
    `node ${d.node} has no spec.providerID, so its provider does not know which machine it is`,
  "subnet.provider": (d: { throttled: boolean; why: string }) =>
    d.throttled
      ? `the provider asks for patience: ${d.why}`
      : `the provider did not do what is needed: ${d.why}`,
  "subnet.pod-eni": (d: { pod: string; lacks: string; reason?: string }) =>
    `pod ${d.pod} has a network of its own (annotation k8s.aliyun.com/pod-eni) and waits for ${d.lacks}; ` +
    `\`trunkline describe podeni\` shows how far it is`,
  "subnet.interface": (d: { pod: string; id: string; why: string }) =>
    `interface ${d.id} of pod ${d.pod} cannot be used: ${d.why}`,
  "subnet.pod-networking": (d: { pod: string; network: string; why: string }) =>
    `pod ${d.pod} is selected by PodNetworking ${d.network}, which is not Ready (${d.why}): it does not start on another network instead`,
  "subnet.bypassed": (d: { pod: string; network: string }) =>
    `pod ${d.pod} is selected by PodNetworking ${d.network}, and nobody noted that when it was made: it does not start on ` +
    `another network instead; the controller notes it once it runs and the node's zone fits`,
  "subnet.pod-unknown": (d: { pod: string }) =>
    `pod ${d.pod} is not known to this node yet, so nobody can tell which PodNetworking selects it`,
};
