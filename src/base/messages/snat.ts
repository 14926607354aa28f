// "What stays in force" is said by the reader of the plan's status, once, not in every line here.
export const snatMessages = {
  "snat.syntax": (d: { why: string }) => `not valid YAML or JSON: ${d.why}`,
  "snat.not-a-map": (d: { found: string }) => `the configuration must be a map of keys, not ${d.found}`,
  "snat.many-documents": () => "the text holds more than one YAML document",
  "snat.unknown-key": (d: { key: string; near?: string }) =>
    `unknown key '${d.key}'${d.near === undefined ? "" : `; did you mean '${d.near}'?`}`,
  "snat.repeated-key": (d: { key: string; first: number }) =>
    `'${d.key}' stands twice (keys are compared without regard to case); first in line ${d.first}`,
  "snat.type": (d: { key: string; expected: string; found: string }) =>
    `${d.key} must be ${d.expected}, not ${d.found}`,
  "snat.null-item": (d: { key: string }) => `an item of ${d.key} is empty (null)`,
  "snat.range": (d: { text: string; why: string }) => `'${d.text}' is not an address range: ${d.why}`,
  "snat.host-bits": (d: { text: string; network: string }) =>
    `'${d.text}' is not aligned to a CIDR block: the network is ${d.network}`,
  "snat.too-many": (d: { key: string; count: number; limit: number }) =>
    `${d.key} has ${d.count} entries (excluding link-local), more than cidrLimit ${d.limit}`,
  "snat.ipv6-off": (d: { text: string }) => `'${d.text}' is an IPv6 range, but enableIPv6 is false`,
  "snat.ports": (d: { text: string; why: string }) => `'${d.text}' is not a list of port ranges: ${d.why}`,
  "snat.duration": (d: { text: string }) => `'${d.text}' is not a duration such as 60s or 5m`,
  "snat.interval-not-positive": (d: { text: string }) =>
    `resyncInterval ${d.text} is not positive; ip-masq-agent would loop without a pause (Trunkline acts on changes and does not poll)`,
  "snat.limit": (d: { value: number }) => `cidrLimit ${d.value} is not a whole number from 0`,
  "snat.null-list": (d: { key: string }) => `${d.key} is null, which counts as an empty list`,
  "snat.duplicate": (d: { text: string; first: number }) => `${d.text} stands already in line ${d.first}`,
  "snat.overlap": (d: { text: string; outer: string; line: number }) =>
    `${d.text} lies within ${d.outer} of line ${d.line}`,
  "snat.both-lists": (d: { text: string; line: number }) =>
    `${d.text} stands in nonMasqueradeCIDRs (line ${d.line}) and in masqueradeCIDRs; it is not masqueraded`,
  "snat.everything": (d: { text: string; list: string }) =>
    d.list === "masqueradeCIDRs"
      ? `${d.text} masquerades every destination`
      : `${d.text} exempts every destination: nothing is masqueraded`,
  "snat.pods-not-covered": (d: { range: string; pool: string }) =>
    `the pods' range ${d.range} (${d.pool}) is not covered by nonMasqueradeCIDRs`,
  "snat.services-not-covered": (d: { range: string }) =>
    `the services' range ${d.range} is not covered by nonMasqueradeCIDRs`,
  "snat.ipv6-everything": (d: { range: string }) =>
    `enableIPv6 is true but no IPv6 range is listed: pods of ${d.range} are masqueraded to every IPv6 destination`,
  "snat.ipv6-unlisted": (d: { range: string }) =>
    `pods have IPv6 addresses (${d.range}) but no IPv6 range is listed: the configuration leaves IPv6 alone`,
  "snat.no-key": (d: { keys: readonly string[] }) =>
    `the ConfigMap has no key 'config'${d.keys.length > 0 ? ` (only ${d.keys.join(", ")})` : ""}, so the defaults are in force`,
  "snat.annotation": (d: { object: string; value: string }) =>
    `${d.object}: annotation trunkline.dev/snat is '${d.value}'; it must be 'none' or 'masquerade', and counts as absent`,
  "snat.rule-range": (d: { object: string; text: string; why: string }) =>
    `SourceNAT ${d.object}: '${d.text}' ${d.why}; the rule counts as absent`,
  "snat.egress-refused": (d: { object: string; address: string; why: string }) =>
    `SourceNAT ${d.object}: no node takes ${d.address}, which is ${d.why}; new connections that would leave with it are dropped`,
  "snat.no-holder": (d: { object: string; address: string }) =>
    `SourceNAT ${d.object}: no living node holds ${d.address}; its pods' new connections to the rule's destinations are dropped`,
  "snat.foreign-address": (d: { object: string; node: string }) =>
    `SourceNAT ${d.object}: node ${d.node} has none of the rule's addresses; replies reach it only if they are routed to it`,
  "snat.last-good": () => "the last good configuration stays in force",
  "snat.defaults-stay": () =>
    "the defaults of ip-masq-agent are in force, as no good configuration is known yet",
};
