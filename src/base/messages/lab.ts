const list = (names: readonly string[]) => names.join(", ");

export const labMessages = {
  "lab.unknown": (d: { name: string; known: readonly string[] }) =>
    `there is no lab '${d.name}'${d.known.length > 0 ? `; there is: ${list(d.known)}` : ": start one with 'trunkline lab up examples/first-light -d'"}`,
  "lab.dead": (d: { name: string }) =>
    `the process of lab '${d.name}' has died; 'trunkline lab down ${d.name}' clears away what it left`,
  "lab.none": (d: { dead: readonly string[] }) =>
    `no lab is running: start one with 'trunkline lab up examples/first-light -d'${d.dead.length > 0 ? ` (dead, clear away with 'trunkline lab down NAME': ${list(d.dead)})` : ""}`,
  "lab.several": (d: { names: readonly string[] }) =>
    `several labs are running (${list(d.names)}): say which with --lab NAME`,
  "lab.no-file": (d: { word: string }) =>
    `there is no lab file or example '${d.word}'; examples are 'examples/first-light', 'examples/network-policy', 'examples/routing-bgp' (-rr, -rip, -vxlan), 'examples/source-nat' and 'examples/vswitch-pinning'`,
  "lab.cni": (d: { plugin: string; command: string; code: number; message: string }) =>
    `plugin '${d.plugin}' failed (${d.command}, code ${d.code}): ${d.message}`,
  "lab.no-cni-config": (d: { folder: string }) =>
    `there is no network configuration in ${d.folder}: the node's agent has not written it yet`,
  "lab.no-shim": (d: { path: string }) =>
    `the CNI plugin's executable is not built (${d.path}): run 'npm run build' in the checkout`,
  "lab.no-cni-plugin": (d: { type: string; path: readonly string[] }) =>
    `there is no plugin '${d.type}' in ${d.path.join(", ")}`,
  "lab.party": (d: { word: string }) =>
    `'${d.word}' is nobody in this lab: say pod/NAME, KIND/NAME of a workload, node/NAME, host/NAME or an address (-n gives the namespace)`,
  "lab.no-ready-pod": (d: { word: string; phase: string | undefined }) =>
    `${d.word} has no pod that runs${d.phase === undefined ? "" : ` (it is ${d.phase})`}; 'trunkline get pods -A' shows how far they are`,
  "lab.no-address": (d: { from: string; to: string }) =>
    `${d.from} and ${d.to} have no address of the same family`,
  "lab.not-a-sender": (d: { word: string }) =>
    `'${d.word}' is an address of nobody in this lab, so nothing can be sent from there`,
  "lab.control": (d: { name: string; why: string }) => `lab '${d.name}' does not answer: ${d.why}`,
  "lab.running": (d: { name: string }) =>
    `a lab called '${d.name}' runs already: 'trunkline lab down ${d.name}' ends it, --name gives this one another name`,
  "lab.names-taken": (d: { taken: readonly string[] }) =>
    `there are network namespaces with this lab's names already (${list(d.taken)}): another lab of the name may run under another TRUNKLINE_LABS; --name gives this one another name, and \`ip netns delete\` takes away what nobody needs. Nothing was changed`,
  "lab.failed": (d: { name: string; end: string }) =>
    `lab '${d.name}' could not be started; this is the end of its log:\n${d.end || "(nothing)"}`,
  "lab.late": (d: { name: string; seconds: number; end: string }) =>
    `lab '${d.name}' was not ready after ${d.seconds} s, and was ended; this is the end of its log:\n${d.end || "(nothing)"}`,
  "lab.path-long": (d: { path: string }) =>
    `the path of a socket would be too long for the kernel (${d.path}): choose a shorter folder with TRUNKLINE_LABS`,
  "lab.rootless": (d: { why: string; setting: string | undefined }) =>
    `without root a lab needs a user namespace of its own, and this system forbids that${d.setting ? ` (${d.setting})` : ""}: ${d.why}`,
  "lab.rootless-run": (d: { folder: string }) =>
    `a lab without root has a /run of its own, so its folder cannot lie in /run (${d.folder}): set TRUNKLINE_LABS to another one`,
  "lab.port-taken": (d: { port: number; protocol: string }) =>
    `port ${d.port}/${d.protocol} is taken by another pod in the same network`,
  "lab.no-member": (d: { word: string; known: readonly string[] }) =>
    `'${d.word}' is no node, host, router or running pod of this lab; there is: ${list(d.known)}`,
  "lab.router-package": (d: { daemon: string; package: string }) =>
    `${d.daemon} is not installed: a router of that type needs Debian's package '${d.package}'`,
  "lab.router-config": (d: { router: string; file: string; why: string }) =>
    `router '${d.router}' cannot run with ${d.file}: ${d.why}`,
  "lab.router-start": (d: { router: string; daemon: string; log: string; end: string }) =>
    `${d.daemon} of router '${d.router}' did not start (log: ${d.log})${d.end ? `: ${d.end}` : ""}`,
  "lab.router-rootless": (d: { router: string }) =>
    `router '${d.router}' cannot run FRR in a lab without root: its daemons become another user; type 'bird' can`,
  "lab.no-process": (d: { name: string; known: readonly string[] }) =>
    `'${d.name}' is no process of this lab; there is: ${list(d.known)}`,
  "lab.no-node": (d: { name: string; known: readonly string[] }) =>
    `'${d.name}' is no node of this lab; there is: ${list(d.known)}`,
  "lab.node-refused": (d: { name: string; why: readonly string[] }) =>
    `node '${d.name}' cannot be so: ${d.why.join("; ")}`,
  "lab.cloud-unknown": (d: { id: string; known: readonly string[] }) =>
    `the lab's provider knows no vSwitch or group '${d.id}'; there is: ${list(d.known)}`,
  "lab.cloud-fault": (d: { word: string; known: readonly string[] }) =>
    `'${d.word}' is nothing that the lab's provider can be told; there is: ${list(d.known)}`,
  "lab.cloud-none": (d: { name: string }) =>
    `lab '${d.name}' has no provider of subnets: its lab file has no 'subnets'`,
};
