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
  "explain.service-port": (d: { key: string; port: string | undefined; known: readonly string[] }) =>
    d.known.length === 0
      ? `Service ${d.key} has no ports: name one by number`
      : `Service ${d.key} has no port named ${d.port}; it has ${d.known.join(", ")}`,
  "explain.external-name": (d: { key: string; name: string }) =>
    `Service ${d.key} is of type ExternalName: it leads nowhere but to the name ${d.name}, whose addresses no object tells; ask for one of them`,
  "explain.no-services": (d: { why: string }) =>
    `cannot tell: Services and EndpointSlices could not be read (${d.why})`,
  "explain.nobodys-service": (d: { address: string; range: string }) =>
    `cannot tell: ${d.address} is in the Services' range ${d.range}, where only ports that a Service has lead anywhere; what becomes of the rest hangs on kube-proxy (in nftables mode it is dropped or refused, in others it goes where routes lead)`,
  "explain.service-from": (d: { name: string }) =>
    `${d.name} sends nothing: a Service is asked, its pods answer; name a pod as FROM`,
  "explain.family": (d: { from: string; to: string }) =>
    `cannot tell: ${d.from} and ${d.to} have no address family in common`,
};
