// Writes a node's desired state in the configuration language of BIRD 2 (bird.network.cz, user's guide chapters 3 to 6).
// Everything that goes into the text is a number, an address, a name made here, or was checked for what BIRD cannot quote.
import { sessionFilters } from "./filter-text.ts";
import {
  BIRD_METRIC,
  type BirdConfig,
  type FamilyConfig,
  OUTSIDE_MARK,
  type RipConfig,
  type SessionConfig,
} from "./types.ts";
import { communityAttribute, pair, quoted } from "./words.ts";

/** How soon a silent neighbour counts as gone, in seconds, and how often each side speaks. */
const HOLD_TIME = 12;
const KEEPALIVE_TIME = 4;
const OUR_PROTOCOL = 84;
const LOG_BYTES = 1_048_576;

/**
 * Returns the configuration file.
 * @param logFile its log, and one older file beside it
 * @throws TrunklineError `bird.unquotable` for a password or pattern that BIRD's language cannot hold
 */
export function birdConfigText(config: BirdConfig, logFile: string): string {
  const families = config.families.flatMap((family) => ["", ...familyText(family, config.ignoredInterfaces)]);
  return [
    "# Written by the agent; changes by hand are lost.",
    `log ${quoted(logFile)} ${LOG_BYTES} ${quoted(`${logFile}.1`)} { info, remote, warning, error, auth, fatal, bug };`,
    `router id ${config.routerId};`,
    `graceful restart wait ${config.restartWait};`,
    "timeformat protocol iso long ms;",
    "",
    "protocol device { scan time 10; }",
    ...families,
    "",
  ].join("\n");
}

function familyText(config: FamilyConfig, ignored: readonly string[]): string[] {
  const { family, own, services, gateways, sessions, rip } = config;
  const except = ["lo", "tl*", "tunl0", "vxlan.tl", "vxlan6.tl", ...ignored].map(
    (name) => `-${quoted(name)}`,
  );
  return [
    `# IPv${family}`,
    `protocol direct direct${family} { ipv${family}; interface ${except.join(", ")}, "*"; }`,
    ...statics(
      `own${family}`,
      family,
      own.map((prefix) => `route ${prefix} blackhole;`),
    ),
    ...statics(
      `services${family}`,
      family,
      services.map((prefix) => `route ${prefix} blackhole;`),
    ),
    ...statics(
      `gateways${family}`,
      family,
      gateways.map(({ address, via }) => `route ${address}/${family === 4 ? 32 : 128} via ${via};`),
    ),
    ...functions(config),
    ...kernelText(family),
    ...sessions.flatMap((session) => ["", ...sessionText(session, config)]),
    ...(rip ? ["", ...ripText(rip, family)] : []),
  ];
}

function statics(name: string, family: 4 | 6, routes: readonly string[]): string[] {
  return [`protocol static ${name} {`, `  ipv${family};`, ...routes.map((route) => `  ${route}`), "}"];
}

function functions({ family, guarded, notInKernel, notByBgp, ownNotByBgp, marks }: FamilyConfig): string[] {
  const within = (list: readonly string[]) => list.map((prefix) => `${prefix}+`);
  const anywhere = family === 4 ? "0.0.0.0/0" : "::/0";
  return [
    "# What nobody outside may announce: the default route, our ranges, parts of them, and what covers them.",
    ...test(`guarded${family}`, [anywhere, ...guarded.flatMap((prefix) => [`${prefix}+`, `${prefix}-`])]),
    "# What is reached by routes of ours, or by none at all.",
    ...test(`elsewhere${family}`, within(notInKernel)),
    "# What BGP never tells.",
    ...test(`private${family}`, [...within(notByBgp), ...ownNotByBgp]),
    `function priority${family}() {`,
    "  if source = RTS_STATIC then return 512;",
    "  if defined(krt_metric) then return krt_metric;",
    `  return ${BIRD_METRIC};`,
    "}",
    `function mark${family}() {`,
    ...marks.flatMap(({ cidr, communities }) =>
      communities.map(
        (value) => `  if net ~ [ ${cidr}+ ] then ${communityAttribute(value)}.add(${pair(value)});`,
      ),
    ),
    "}",
    "# May leave for a node: what is ours, and what others told us by BGP.",
    `function leaves${family}() {`,
    `  if private${family}() then return false;`,
    `  return (proto = "own${family}") || (proto = "services${family}") || (source = RTS_BGP);`,
    "}",
  ];
}

function test(name: string, patterns: readonly string[]): string[] {
  if (patterns.length === 0) return [`function ${name}() { return false; }`];
  return [`function ${name}() { return net ~ [`, ...lines(patterns), "  ]; }"];
}

/** Ten a line: a cluster has thousands of them. */
function lines(patterns: readonly string[]): string[] {
  const out: string[] = [];
  for (let at = 0; at < patterns.length; at += 10) {
    const comma = at + 10 < patterns.length ? "," : "";
    out.push(`    ${patterns.slice(at, at + 10).join(", ")}${comma}`);
  }
  return out;
}

function kernelText(family: 4 | 6): string[] {
  return [
    // Our own routes are learned too little to resolve anything by them: a next hop is never a pod.
    `filter learned${family} { if krt_source = ${OUR_PROTOCOL} then reject; accept; }`,
    `filter installed${family} {`,
    `  if proto = "gateways${family}" then { krt_metric = ${BIRD_METRIC}; accept; }`,
    "  if (source != RTS_BGP) && (source != RTS_RIP) then reject;",
    "  # A next hop that nothing leads to would swallow packets that another route may still carry.",
    "  if dest = RTD_UNREACHABLE then reject;",
    `  if elsewhere${family}() && !(${pair(OUTSIDE_MARK)} ~ bgp_large_community) then reject;`,
    `  if !defined(krt_metric) then krt_metric = ${BIRD_METRIC};`,
    "  accept;",
    "}",
    `protocol kernel kernel${family} {`,
    "  learn;",
    "  scan time 10;",
    "  metric 0;",
    "  graceful restart on;",
    `  ipv${family} { import filter learned${family}; export filter installed${family}; };`,
    "}",
  ];
}

function sessionText(session: SessionConfig, { family }: FamilyConfig): string[] {
  const { name, peer, port, localAddress, localPort, localAS, peerAS, password, restartTime } = session;
  const option = (on: boolean, text: string) => (on ? [`  ${text}`] : []);
  return [
    ...sessionFilters(session, family),
    `protocol bgp ${name} {`,
    `  local ${localAddress === undefined ? "" : `${localAddress} `}port ${localPort} as ${localAS};`,
    `  neighbor ${peer} port ${port} as ${peerAS};`,
    session.ttlSecurity === undefined ? "  multihop;" : `  multihop ${session.ttlSecurity}; ttl security on;`,
    ...option(session.strictBind, "strict bind on;"),
    ...option(session.passive, "passive on;"),
    ...(password === undefined ? [] : [`  password ${quoted(password)};`]),
    `  hold time ${HOLD_TIME}; startup hold time ${HOLD_TIME}; keepalive time ${KEEPALIVE_TIME};`,
    "  connect delay time 1; connect retry time 2; error wait time 1, 4; error forget time 30;",
    restartTime > 0
      ? `  graceful restart on; graceful restart time ${restartTime};`
      : "  graceful restart off;",
    ...option(session.client, "rr client;"),
    ...(session.clusterId === undefined ? [] : [`  rr cluster id ${session.clusterId};`]),
    ...option(session.allowedLocalAS > 0, `allow local as ${session.allowedLocalAS};`),
    `  ipv${family} {`,
    `    import filter in_${name}; export filter out_${name};`,
    `    import keep filtered on; gateway recursive; next hop ${session.nextHop};`,
    "  };",
    "}",
  ];
}

function ripText(rip: RipConfig, family: 4 | 6): string[] {
  const { updateTime, timeoutTime, garbageTime, password } = rip;
  const secret =
    password !== undefined && family === 4 ? ` authentication plaintext; password ${quoted(password)};` : "";
  const names = rip.interfaces.map(quoted).join(", ");
  return [
    ...test(`known${family}`, rip.known),
    `filter in_rip${family} {`,
    `  if known${family}() then accept;`,
    `  if guarded${family}() then reject;`,
    "  accept;",
    "}",
    `filter out_rip${family} {`,
    `  if (proto = "own${family}") || (proto = "services${family}") then accept;`,
    "  reject;",
    "}",
    `protocol rip ${family === 4 ? "" : "ng "}rip${family} {`,
    `  ipv${family} { import filter in_rip${family}; export filter out_rip${family}; import keep filtered on; };`,
    `  interface ${names} {`,
    `    ${family === 4 ? "version 2; " : ""}update time ${updateTime}; timeout time ${timeoutTime}; garbage time ${garbageTime};${secret}`,
    "  };",
    "}",
  ];
}
