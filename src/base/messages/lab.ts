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
    `there is no lab file or example '${d.word}'; examples are 'examples/first-light', 'examples/network-policy' and 'examples/source-nat'`,
};
