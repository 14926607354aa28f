const orList = (words: readonly string[]) => words.join(", ");
const meant = (suggestion: string | undefined) =>
  suggestion === undefined ? "" : `; did you mean '${suggestion}'?`;

export const cliMessages = {
  "cli.command": (d: { name: string; suggestion: string | undefined }) =>
    `'${d.name}' is not a command of trunkline${meant(d.suggestion)} (trunkline --help lists them)`,
  "cli.kind": (d: { word: string; suggestion: string | undefined; known: readonly string[] }) =>
    `'${d.word}' is not a kind${meant(d.suggestion) || `; known: ${orList(d.known)}`}`,
  "cli.setting": (d: { word: string; why: string }) =>
    `--set ${d.word}: ${d.why} ('trunkline manifests --settings' lists what can be set)`,
  "cli.declined": (_d: Record<never, never>) => "Nothing was changed",
  "cli.usage": (d: { why: string }) => d.why,
  "cli.not-found": (d: { kind: string; name: string; namespace: string | undefined }) =>
    `${d.kind} '${d.name}' does not exist${d.namespace === undefined ? "" : ` in namespace ${d.namespace}`}`,
  "cli.jsonpath": (d: { text: string; column: number; why: string }) =>
    `'${d.text}' is not a JSONPath template: ${d.why} (column ${d.column})`,
  "cli.import-nothing": (_d: object) =>
    "there are no settings of Calico's: no DaemonSet calico-node, and no ConfigMap calico-config",
  "cli.context": (_d: object) => "--context is for --kubeconfig, which is not given",
  "cli.store": (d: { text: string; why: string }) => `'${d.text}' is not a store: ${d.why}`,
  "cli.no-store": (d: { path: string }) =>
    `there is no store ${d.path}; \`trunkline apply --store sqlite:${d.path} -f …\` makes one`,
  "cli.daemon-cluster": (d: { daemon: string }) =>
    `say whose ${d.daemon} this is: --kubeconfig FILE, --store sqlite:PATH, etcd:URL or kubernetes: (or --lab NAME); nothing was changed`,
  "cli.daemon-netns": (d: { lab: string }) =>
    `lab ${d.lab} lives in namespaces: say with --netns which one is the node's; this machine's own network is not part of it, and was not changed`,
  "cli.snat-node": (d: {
    name: string | undefined;
    known: readonly string[];
    suggestion: string | undefined;
  }) =>
    d.name === undefined
      ? `say which node: --node ${d.known.join(" | ")}`
      : `there is no node '${d.name}'${d.suggestion === undefined ? "" : `; did you mean '${d.suggestion}'?`}`,
  "cli.snat-no-backup": (d: { node: string; folder: string }) =>
    `there is no backup of node ${d.node} in ${d.folder}: nothing was deleted there, or it was put back`,
  "cli.snat-backup": (d: { file: string }) => `${d.file} is no backup of \`trunkline snat clean\``,
  "cli.snat-backup-node": (d: { file: string; node: string; other: string }) =>
    `${d.file} is a backup of node ${d.other}, not of ${d.node}`,
  "cli.no-agent": (d: { node: string }) =>
    `node ${d.node} has no pod of DaemonSet trunkline-agent that could be asked`,
  "cli.agent-said": (d: { node: string; said: string }) => `the agent of node ${d.node} says: ${d.said}`,
  "cli.agent-answer": (d: { status: number; body: string }) => `the agent answers ${d.status}: ${d.body}`,
};
