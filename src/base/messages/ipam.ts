export const ipamMessages = {
  "ipam.exhausted": (d: {
    node: string;
    pools: readonly string[];
    why: string;
    cooling: number;
    soonestSeconds: number | null;
  }) =>
    `No address is free for a pod of node ${d.node} in ${d.pools.length === 1 ? "pool" : "pools"} ${d.pools.join(", ")}: ${d.why}` +
    (d.cooling > 0
      ? `; ${d.cooling} of its addresses rest after use${d.soonestSeconds === null ? "" : `, the first for another ${d.soonestSeconds} s`}`
      : ""),
  "ipam.not-ready": (d: { node: string; why: string }) =>
    `Node ${d.node} hands out no addresses yet: ${d.why}`,
  "ipam.no-pool": (d: { node: string; why: string }) =>
    `No pool offers an address to this pod on node ${d.node}: ${d.why}`,
  "ipam.address-in-use": (d: { address: string; holder: string }) =>
    `Address ${d.address} cannot be given out: it is held by ${d.holder}`,
  "ipam.address-elsewhere": (d: { address: string; why: string }) =>
    `Address ${d.address} cannot be given out on this node: ${d.why}`,
  "ipam.stale-release": (d: { address: string; asked: number; current: number | null }) =>
    `Address ${d.address} is not released: allocation ${d.asked} is over` +
    (d.current === null ? "" : `, allocation ${d.current} holds it now`),
  "ipam.store": (d: { node: string; why: string }) =>
    `Node ${d.node} needs the store to find a free address, and the store does not answer: ${d.why}`,
  "ipam.journal": (d: { path: string; why: string }) =>
    `The journal of addresses ${d.path} cannot be used: ${d.why}`,
};
