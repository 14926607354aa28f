/** What was asked of the kernel and what it said: errno's name, and its own text where it gave one. */
interface Refusal {
  attempt: string;
  errno: string;
  text: string | undefined;
}

function said(d: Refusal): string {
  return d.text ? `${d.errno}: ${d.text}` : d.errno;
}

export const kernelMessages = {
  "kernel.exists": (d: Refusal) => `cannot ${d.attempt}: it exists already`,
  "kernel.missing": (d: Refusal) => `cannot ${d.attempt}: no such object (${said(d)})`,
  "kernel.refused": (d: Refusal) => `cannot ${d.attempt}: the kernel refuses (${said(d)})`,
  "kernel.permission": (d: Refusal) =>
    `cannot ${d.attempt}: not permitted (${said(d)}); root, or CAP_NET_ADMIN in this namespace's user namespace, is needed`,
  "kernel.no-netns": (d: { netns: string; errno: string }) =>
    d.errno === "EINVAL"
      ? `'${d.netns}' is no network namespace`
      : `there is no network namespace '${d.netns}' (${d.errno})`,
  "kernel.name": (d: { what: string; name: string; why: string }) =>
    `'${d.name}' is no name for a ${d.what}: ${d.why}`,
  "kernel.mac": (d: { text: string }) =>
    `'${d.text}' is not a MAC address (six pairs of hex digits with colons)`,
  "kernel.closed": (d: { attempt: string }) => `cannot ${d.attempt}: this kernel handle is closed`,
  "kernel.sysctl": (d: { key: string; value: string | undefined; errno: string }) =>
    d.value === undefined
      ? `cannot read sysctl ${d.key} (${d.errno})`
      : `cannot set sysctl ${d.key} to '${d.value}' (${d.errno})`,
  "kernel.nft": (d: { text: string; commands: string }) => `nftables refuses the transaction: ${d.text}`,
  "kernel.library": (d: { library: string; why: string }) => `cannot load ${d.library}: ${d.why}`,
  "kernel.no-answer": (d: { attempt: string }) => `cannot ${d.attempt}: the kernel did not answer in time`,
  "kernel.command": (d: {
    command: string;
    code: number | undefined;
    signal: string | undefined;
    stderr: string;
  }) =>
    `'${d.command}' ${d.signal ? `was ended by ${d.signal}` : `failed with exit code ${d.code ?? "unknown"}`}${d.stderr ? `: ${d.stderr}` : ""}`,
  "kernel.command-missing": (d: { command: string; errno: string }) =>
    `cannot start '${d.command}' (${d.errno})`,
  "kernel.command-timeout": (d: { command: string; timeoutMs: number }) =>
    `'${d.command}' did not end within ${d.timeoutMs} ms and was killed`,
  "kernel.nft-name": (d: { name: string }) => `'${d.name}' cannot name an nftables object`,
  "kernel.nft-rule": (d: { rule: string }) => `'${d.rule}' is not one nftables rule`,
  "kernel.nft-element": (d: { set: string; element: string }) =>
    `'${d.element}' does not fit the nftables set '${d.set}'`,
  "kernel.nft-missing": (d: { name: string }) => `there is no nftables set '${d.name}' to change`,
};
