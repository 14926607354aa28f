const meant = (suggestion: string | undefined) =>
  suggestion === undefined ? "" : `. Did you mean ${suggestion}?`;

export const explainMessages = {
  "explain.port": (d: { text: string }) =>
    `'${d.text}' is not a port: write a number from 1 to 65535 with a protocol, such as 80/tcp, 53/udp or 9/sctp`,
  "explain.end": (d: { text: string }) =>
    `'${d.text}' names no end of a connection: write pod/NAME, KIND/NAME, node/NAME, host/NAME or an address`,
  "explain.unknown-end": (d: { name: string; suggestion: string | undefined }) =>
    `there is no ${d.name}${meant(d.suggestion)}`,
  "explain.no-pods": (d: { kind: string; namespace: string; name: string }) =>
    `cannot tell: ${d.kind}/${d.name} in namespace ${d.namespace} has no pods`,
  "explain.no-address": (d: { name: string; why: string }) =>
    `cannot tell: ${d.name} has no address: ${d.why}`,
  "explain.family": (d: { from: string; to: string }) =>
    `cannot tell: ${d.from} and ${d.to} have no address family in common`,
};
