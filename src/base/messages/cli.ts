const orList = (words: readonly string[]) => words.join(", ");
const meant = (suggestion: string | undefined) =>
  suggestion === undefined ? "" : `; did you mean '${suggestion}'?`;

export const cliMessages = {
  "cli.command": (d: { name: string; suggestion: string | undefined }) =>
    `'${d.name}' is not a command of trunkline${meant(d.suggestion)} (trunkline --help lists them)`,
  "cli.kind": (d: { word: string; suggestion: string | undefined; known: readonly string[] }) =>
    `'${d.word}' is not a kind${meant(d.suggestion) || `; known: ${orList(d.known)}`}`,
  "cli.declined": (_d: Record<never, never>) => "Nothing was changed",
  "cli.usage": (d: { why: string }) => d.why,
  "cli.not-found": (d: { kind: string; name: string; namespace: string | undefined }) =>
    `${d.kind} '${d.name}' does not exist${d.namespace === undefined ? "" : ` in namespace ${d.namespace}`}`,
  "cli.jsonpath": (d: { text: string; column: number; why: string }) =>
    `'${d.text}' is not a JSONPath template: ${d.why} (column ${d.column})`,
  "cli.store": (d: { text: string; why: string }) => `'${d.text}' is not a store: ${d.why}`,
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
};
