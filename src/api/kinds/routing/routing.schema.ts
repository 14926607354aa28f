// Schemas of the kinds that routing reads.

import * as z from "zod";
import { isMapped, tryParseCidr, tryParseIp } from "../../../base/ip.ts";
import { asNumberForm, mostAs, parseAsNumber } from "../../as-number.ts";
import {
  communityForm,
  interfaceForm,
  isWhole,
  mostHops,
  mostMetric,
  mostOwnAs,
  mostTimer,
  parseCommunity,
  parsePeerAddress,
} from "../../bgp-words.ts";
import { readMethod } from "../../detection-method.ts";
import {
  address,
  cidr,
  complain,
  conditions,
  duration,
  exclusive,
  type FieldRule,
  fields,
  list,
  metadata,
  nodeSelector,
  notBuilt,
  notBuiltText,
  portNumber,
  ruled,
  schemaOf,
  shortText,
  someText,
  text,
  whole,
  word,
} from "../../schema.ts";
import { cel, matches, quote, tell } from "../../told.ts";
import type { BGPConfiguration, BGPFilter, BGPFilterRule, BGPPeer } from "./bgp.ts";
import { DEFAULT_NAME, flowTablesValues, type RoutingConfiguration } from "./routing-configuration.ts";

const anAsNumber = 'must be an AS number, such as 64512 or "1.10"';
const asNumberIn = () =>
  z.union([z.number(), z.string()]).superRefine((value, context) => {
    if ((typeof value === "string" && !asNumberForm.test(value)) || parseAsNumber(value) === undefined)
      complain(context, "bgp.as-number", [], `${anAsNumber}; it is ${value}`);
  });
const asNumber = tell(asNumberIn(), {
  rules: [
    {
      rule:
        `type(self) == int ? self >= 1 && self <= ${mostAs} : ${matches(asNumberForm)} && (self.contains('.')` +
        " ? int(self.split('.')[0]) <= 65535 && int(self.split('.')[1]) <= 65535 && int(self.split('.')[0]) + int(self.split('.')[1]) > 0" +
        ` : int(self) >= 1 && int(self) <= ${mostAs})`,
      message: anAsNumber,
    },
  ],
});
/** One of a list. Servers cannot tell how long its text is, and a rule for each would cost too much at worst: bounds alone. */
const listedAsNumber = tell(asNumberIn(), { minimum: 1, maximum: mostAs, pattern: asNumberForm.source });

const aCommunity = "must be a community, such as 65000:100 or 65000:100:200";
const parts = (it: string, count: number, most: number) =>
  Array.from({ length: count }, (_, at) => `int(${it}.split(':')[${at}]) <= ${most}`).join(" && ");
const isCommunity = (it: string) =>
  `${matches(communityForm, it)} && (${it}.matches(':.*:') ? ${parts(it, 3, 0xffff_ffff)} : ${parts(it, 2, 0xffff)})`;
const communityValue = tell(
  text("bgp.community", (value) => (parseCommunity(value) ? undefined : `${aCommunity}; it is '${value}'`)),
  {
    maxLength: 32,
    rules: [
      {
        rule: isCommunity("self"),
        message: aCommunity,
      },
    ],
  },
);

/** Whole seconds from `least` to `most`, as a Go duration. */
const seconds = (most: number, least = 0) =>
  duration(
    "bgp.duration",
    { least, most, wholeSeconds: true },
    `must be a duration of ${least}s to ${most}s in whole seconds`,
  );

/** RFC 4724: twelve bits. */
const restartTime = seconds(4095);

const secretReference = fields({
  secretKeyRef: fields({
    name: someText,
    key: someText,
    optional: z.boolean().exactOptional(),
  }).exactOptional(),
});

const ranges = list(fields({ cidr }), 4096);

const interfaceName = word("bgp.interface", interfaceForm, 30, "is not the name of an interface");

/** Names never change, and what has a wrong one already may still be written, as it is on its way out. */
const named = (rule: string, message: string) => ({
  rules: [{ rule: `oldSelf.hasValue() || ${rule}`, message, optionalOldSelf: true }],
});

export const bgpConfigurationSchema = schemaOf<BGPConfiguration>()(
  tell(
    fields({
      apiVersion: z.string(),
      kind: z.literal("BGPConfiguration"),
      metadata: metadata(
        text("bgp.name", (value) =>
          value === DEFAULT_NAME || value.startsWith("node.")
            ? undefined
            : `must be '${DEFAULT_NAME}', or 'node.' and a node's name; it is '${value}'`,
        ),
      ),
      spec: tell(
        fields(
          {
            nodeToNodeMeshEnabled: z.boolean().exactOptional(),
            asNumber: asNumber.exactOptional(),
            listenPort: portNumber.exactOptional(),
            communities: list(fields({ name: shortText(128), value: communityValue }), 64).exactOptional(),
            prefixAdvertisements: list(
              fields({ cidr, communities: list(shortText(128), 16).exactOptional() }),
              64,
            ).exactOptional(),
            nodeMeshPassword: secretReference.exactOptional(),
            nodeMeshMaxRestartTime: restartTime.exactOptional(),
            serviceClusterIPs: ranges.exactOptional(),
            serviceExternalIPs: ranges.exactOptional(),
            serviceLoadBalancerIPs: ranges.exactOptional(),
            ignoredInterfaces: list(interfaceName, 1000).exactOptional(),
            bindMode: z.enum(["None", "NodeIP"]).exactOptional(),
            ...notBuilt("logSeverityScreen serviceLoadBalancerAggregation localWorkloadPeeringIPV4"),
            ...notBuilt("localWorkloadPeeringIPV6 programClusterRoutes"),
            ...notBuilt("ipv4NormalRoutePriority ipv4ElevatedRoutePriority"),
            ...notBuilt("ipv6NormalRoutePriority ipv6ElevatedRoutePriority"),
          },
          "extensions",
        ).superRefine((spec, context) => {
          const known = new Set((spec.communities ?? []).map(({ name }) => name));
          for (const [at, { communities = [] }] of (spec.prefixAdvertisements ?? []).entries())
            for (const [index, value] of communities.entries())
              if (!known.has(value) && !parseCommunity(value))
                complain(
                  context,
                  "bgp.community",
                  ["prefixAdvertisements", at, "communities", index],
                  `is neither a community nor the name of one of \`communities\`; it is '${value}'`,
                );
        }),
        {
          rules: [
            {
              rule: `!has(self.prefixAdvertisements) || self.prefixAdvertisements.all(p, !has(p.communities) || p.communities.all(c, ${matches(communityForm, "c")} || (has(self.communities) && self.communities.exists(k, k.name == c))))`,
              message: "names a community that is neither one, such as 65000:100, nor among communities",
              fieldPath: ".prefixAdvertisements",
            },
          ],
        },
      ),
    }),
    named(
      `self.metadata.name == ${quote(DEFAULT_NAME)} || self.metadata.name.startsWith('node.')`,
      `must be '${DEFAULT_NAME}', or 'node.' and a node's name`,
    ),
  ),
);

const aPeerAddress = "must be an address, ADDRESS:PORT or [IPV6]:PORT";
const peerAddress = tell(
  text("bgp.peer-ip", (value) => {
    const peer = parsePeerAddress(value);
    return value === "" || (peer && !isMapped(peer.ip)) ? undefined : `${aPeerAddress}; it is '${value}'`;
  }),
  {
    maxLength: 64,
    rules: [
      {
        rule: [
          "self == '' || isIP(self)",
          `(self.matches('^[0-9.]+:[0-9]{1,5}$') && isIP(self.split(':')[0]) && ${cel.whole("self.split(':')[1]", 1, 65_535)})`,
          "(self.matches('^[[][0-9A-Fa-f.]*:[0-9A-Fa-f:.]+[]](:[0-9]{1,5})?$') && isIP(self.substring(1, self.indexOf(']')))" +
            ` && (self.endsWith(']') || ${cel.whole("self.substring(self.indexOf(']') + 2)", 1, 65_535)}))`,
        ].join(" || "),
        message: aPeerAddress,
      },
    ],
  },
);

type PeerSpec = BGPPeer["spec"];
const isSet = (value: string | undefined) => value !== undefined && value !== "";
const peerRule = (
  field: string,
  holds: (spec: PeerSpec) => boolean,
  rule: string,
  says: string,
): FieldRule<PeerSpec> => ({
  code: "bgp.peer",
  field,
  holds,
  cel: rule,
  says,
});

const peerRules: readonly FieldRule<PeerSpec>[] = [
  exclusive("bgp.peer", "nodeSelector", "node"),
  exclusive("bgp.peer", "peerSelector", "peerIP"),
  peerRule(
    "peerIP",
    (spec) =>
      isSet(spec.peerIP) ||
      isSet(spec.peerSelector) ||
      Reflect.get(spec, "localWorkloadSelector") !== undefined,
    `${cel.isSet("peerIP")} || ${cel.isSet("peerSelector")} || has(self.localWorkloadSelector)`,
    "is missing: whom to peer with is said by it or by `peerSelector`",
  ),
  peerRule(
    "asNumber",
    (spec) => !isSet(spec.peerIP) || spec.asNumber !== undefined,
    `!${cel.isSet("peerIP")} || has(self.asNumber)`,
    "is missing: a peer by its address needs it",
  ),
  peerRule(
    "asNumber",
    (spec) => !isSet(spec.peerSelector) || spec.asNumber === undefined,
    `!${cel.isSet("peerSelector")} || !has(self.asNumber)`,
    "excludes `peerSelector`: nodes have AS numbers of their own",
  ),
  {
    ...peerRule(
      "keepOriginalNextHop",
      (spec) => spec.keepOriginalNextHop === undefined || spec.nextHopMode === undefined,
      "!has(self.keepOriginalNextHop) || !has(self.nextHopMode)",
      "and `nextHopMode` exclude each other",
    ),
    hint: "Use nextHopMode: Keep",
  },
  peerRule(
    "reachableBy",
    ({ reachableBy, peerIP }) => !tryParseIp(reachableBy ?? "") || isSet(peerIP),
    `!has(self.reachableBy) || ${cel.isSet("peerIP")}`,
    "needs `peerIP`",
  ),
  peerRule(
    "reachableBy",
    ({ reachableBy, peerIP }) => {
      const [gateway, peer] = [tryParseIp(reachableBy ?? ""), parsePeerAddress(peerIP ?? "")];
      return !gateway || !peer || gateway.family === peer.ip.family;
    },
    `!has(self.reachableBy) || !${cel.isSet("peerIP")} || self.reachableBy.contains(':') == (isIP(self.peerIP) ? self.peerIP.contains(':') : self.peerIP.startsWith('['))`,
    "must be of the family of `peerIP`",
  ),
];

export const bgpPeerSchema = schemaOf<BGPPeer>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("BGPPeer"),
    metadata: metadata(),
    spec: ruled(
      fields({
        node: z.string().exactOptional(),
        nodeSelector: nodeSelector.exactOptional(),
        peerIP: peerAddress.exactOptional(),
        asNumber: asNumber.exactOptional(),
        peerSelector: nodeSelector.exactOptional(),
        localASNumber: asNumber.exactOptional(),
        nextHopMode: z.enum(["Auto", "Self", "Keep"]).exactOptional(),
        keepOriginalNextHop: z.boolean().exactOptional(),
        password: secretReference.exactOptional(),
        maxRestartTime: restartTime.exactOptional(),
        numAllowedLocalASNumbers: whole("bgp.number", 0, mostOwnAs).exactOptional(),
        ttlSecurity: whole("bgp.number", 0, mostHops).exactOptional(),
        sourceAddress: z.enum(["UseNodeIP", "None"]).exactOptional(),
        filters: list(someText, 100).exactOptional(),
        reachableBy: address.exactOptional(),
        reversePeering: z.enum(["Auto", "Manual"]).exactOptional(),
        localWorkloadSelector: notBuiltText,
        ...notBuilt("keepaliveTime"),
      }),
      peerRules,
    ),
    status: fields({
      conditions: conditions.exactOptional(),
      sessions: z.array(z.record(z.string(), z.unknown())).exactOptional(),
    }).exactOptional(),
  }),
);

const metric = whole("bgp.number", 1, mostMetric);

const operationNames = ["addCommunity", "prependASPath", "setPriority"] as const;
const oneOperation = `must be one of ${operationNames.join(", ")}, and no more: a further one is an entry of its own`;
const operation = tell(
  z
    .union([
      fields({ addCommunity: fields({ value: communityValue }) }),
      fields({ prependASPath: fields({ prefix: list(listedAsNumber, 32) }) }),
      fields({ setPriority: fields({ value: metric }) }),
    ])
    .superRefine((value, context) => {
      if (operationNames.filter((name) => Reflect.get(value, name) !== undefined).length !== 1)
        complain(context, "bgp.filter", [], oneOperation);
    }),
  {
    rules: [
      {
        rule: `[${operationNames.map((name) => `has(self.${name})`).join(", ")}].filter(x, x).size() == 1`,
        message: oneOperation,
      },
    ],
  },
);

const mostRules = 256;

function prefixLengths(bits: number) {
  const length = whole("bgp.filter", 0, bits);
  return ruled(fields({ min: length.exactOptional(), max: length.exactOptional() }), [
    {
      code: "bgp.filter",
      field: "min",
      holds: ({ min = 0, max = bits }) => !(min > max),
      cel: "!has(self.min) || !has(self.max) || self.min <= self.max",
      says: ({ min, max }) => `must not be more than \`max\`; ${min} is more than ${max}`,
      message: "must not be more than `max`",
    },
  ]);
}

function rule(family: 4 | 6) {
  const bits = family === 4 ? 32 : 128;
  return ruled(
    fields({
      action: z.enum(["Accept", "Reject"]),
      cidr: cidr.exactOptional(),
      matchOperator: z.enum(["In", "NotIn", "Equal", "NotEqual"]).exactOptional(),
      prefixLength: prefixLengths(bits).exactOptional(),
      source: z.enum(["RemotePeers"]).exactOptional(),
      interface: interfaceName.exactOptional(),
      peerType: z.enum(["eBGP", "iBGP"]).exactOptional(),
      priority: metric.exactOptional(),
      asPathPrefix: list(listedAsNumber, 64).exactOptional(),
      communities: fields({ values: list(communityValue, 32) }).exactOptional(),
      operations: list(operation, 16).exactOptional(),
    }),
    filterRules(family),
  );
}

/** What the rules about several fields look at. */
type RuleFields = Pick<BGPFilterRule, "action" | "cidr" | "matchOperator" | "prefixLength" | "operations">;

function filterRules(family: 4 | 6): readonly FieldRule<RuleFields>[] {
  const rule = (
    field: string,
    holds: (one: RuleFields) => boolean,
    text: string,
    says: string,
  ): FieldRule<RuleFields> => ({
    code: "bgp.filter",
    field,
    holds,
    cel: text,
    says,
  });
  return [
    rule(
      "matchOperator",
      (one) => one.cidr === undefined || one.matchOperator !== undefined,
      "!has(self.cidr) || has(self.matchOperator)",
      "is missing: a rule with `cidr` needs it",
    ),
    rule(
      "cidr",
      (one) => one.matchOperator === undefined || one.cidr !== undefined,
      "!has(self.matchOperator) || has(self.cidr)",
      "is missing: a rule with `matchOperator` needs it",
    ),
    rule(
      "cidr",
      ({ cidr: text = "" }) => (tryParseCidr(text)?.family ?? family) === family,
      `!has(self.cidr) || ${cel.ofFamily("self.cidr", family)}`,
      `must be an IPv${family} range here`,
    ),
    rule(
      "prefixLength",
      (one) => one.prefixLength === undefined || one.cidr !== undefined,
      "!has(self.prefixLength) || has(self.cidr)",
      "needs `cidr`",
    ),
    rule(
      "operations",
      (one) => one.operations === undefined || one.action !== "Reject",
      "!has(self.operations) || self.action != 'Reject'",
      "has no meaning with action Reject",
    ),
  ];
}

export const bgpFilterSchema = schemaOf<BGPFilter>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("BGPFilter"),
    metadata: metadata(),
    spec: fields({
      importV4: list(rule(4), mostRules).exactOptional(),
      exportV4: list(rule(4), mostRules).exactOptional(),
      importV6: list(rule(6), mostRules).exactOptional(),
      exportV6: list(rule(6), mostRules).exactOptional(),
    }),
  }),
);

const longestMethod = 512;

/** Whether a pattern is a regular expression servers cannot tell: theirs are others. */
const method = (family: 4 | 6) =>
  tell(
    text("routing.node-address", (value) => {
      if (value.length > longestMethod) return `is longer than ${longestMethod} characters`;
      const read = readMethod(value, family);
      return "wrong" in read ? read.wrong : undefined;
    }),
    {
      maxLength: longestMethod,
      rules: [
        {
          rule: [
            "self in ['first-found', 'kubernetes-internal-ip', 'none']",
            "(self.matches('^(skip-)?interface=') && !self.matches('^(skip-)?interface=[ ]*(,|$)|,[ ]*(,|$)'))",
            `(self.startsWith('can-reach=') && isIP(self.substring(10).trim()) && ip(self.substring(10).trim()).family() == ${family})`,
            `(self.startsWith('cidr=') && self.substring(5).split(',').all(c, ${cel.range("c.trim()")} && ${cel.ofFamily("c.trim()", family)}))`,
          ].join(" || "),
          message: `must be first-found, interface=REGEX, skip-interface=REGEX, can-reach=IPV${family}-ADDRESS, cidr=IPV${family}-RANGE,..., kubernetes-internal-ip or none`,
        },
      ],
    },
  );

function whyNotPattern(one: string): string | undefined {
  try {
    new RegExp(one);
    return undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return `'${one}' is not a regular expression`;
  }
}

const anMtu = "must be 0, or a whole number from 576 to 65535";
const mtu = tell(
  z.number().superRefine((value, context) => {
    if (value !== 0 && !isWhole(value, 576, 65_535))
      complain(context, "routing.mtu", [], `${anMtu}; it is ${value}`);
  }),
  { minimum: 0, maximum: 65_535, rules: [{ rule: "self == 0 || self >= 576", message: anMtu }] },
);

const namePatternText = tell(
  text("routing.interface", (value) => (value === "" ? "is an empty pattern" : whyNotPattern(value))),
  { minLength: 1 },
);

export const routingConfigurationSchema = schemaOf<RoutingConfiguration>()(
  tell(
    fields({
      apiVersion: z.string(),
      kind: z.literal("RoutingConfiguration"),
      metadata: metadata(
        text("routing.name", (value) =>
          value === DEFAULT_NAME ? undefined : `must be '${DEFAULT_NAME}'; it is '${value}'`,
        ),
      ),
      spec: fields({
        protocols: z.array(z.enum(["bgp", "rip"])).exactOptional(),
        rip: fields({
          interfaces: list(namePatternText, 1000).exactOptional(),
          updateTime: seconds(mostTimer, 1).exactOptional(),
          timeoutTime: seconds(mostTimer, 1).exactOptional(),
          garbageTime: seconds(mostTimer, 1).exactOptional(),
          password: secretReference.exactOptional(),
        }).exactOptional(),
        nodeAddress: fields({
          ipv4: method(4).exactOptional(),
          ipv6: method(6).exactOptional(),
        }).exactOptional(),
        mtu: fields({
          pod: mtu.exactOptional(),
          ipip: mtu.exactOptional(),
          vxlan: mtu.exactOptional(),
        }).exactOptional(),
        gracefulRestartTime: restartTime.exactOptional(),
        flowTables: z.enum(flowTablesValues).exactOptional(),
      }),
    }),
    named(`self.metadata.name == ${quote(DEFAULT_NAME)}`, `must be '${DEFAULT_NAME}'`),
  ),
);
