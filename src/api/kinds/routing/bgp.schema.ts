// Schemas of BGPConfiguration and BGPPeer.
import * as z from "zod";
import { isMapped, tryParseIp } from "../../../base/ip.ts";
import { communityForm, mostHops, mostOwnAs, parseCommunity, parsePeerAddress } from "../../bgp-words.ts";
import {
  address,
  cidr,
  complain,
  exclusive,
  type FieldRule,
  list,
  portNumber,
  ruled,
  shortText,
  someText,
  text,
  whole,
} from "../../forms.ts";
import {
  conditions,
  fields,
  metadata,
  nodeSelector,
  notBuilt,
  notBuiltText,
  schemaOf,
} from "../../schema.ts";
import { cel, matches, quote, tell } from "../../told.ts";
import type { BGPConfiguration, BGPPeer } from "./bgp.ts";
import {
  asNumber,
  communityValue,
  interfaceName,
  named,
  restartTime,
  secretReference,
} from "./parts.schema.ts";
import { DEFAULT_NAME } from "./routing-configuration.ts";

const ranges = list(fields({ cidr }), 4096);

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
