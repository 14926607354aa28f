export const birdMessages = {
  "bird.unquotable": () =>
    "BIRD's configuration cannot hold a text with a quotation mark or a control character in it",
  "bird.missing": (d: { node: string }) =>
    `BGP and RIP need BIRD 2, which is not installed on ${d.node}: install Debian's package bird2`,
  "bird.refused": (d: { why: string }) => `BIRD refuses its configuration: ${d.why}`,
  "bird.no-answer": (d: { path: string; why: string }) => `BIRD does not answer at ${d.path}: ${d.why}`,
  "bird.command": (d: { command: string; code: number; why: string }) =>
    `BIRD answers '${d.command}' with ${d.code}: ${d.why}`,
};
