// Schemas of the kinds that routing reads.

import * as z from "zod";
import { parseGoDuration } from "../../../base/go-duration.ts";
import { tryParseCidr, tryParseIp } from "../../../base/ip.ts";
import { parseAsNumber } from "../../as-number.ts";
import { parseCommunity, parsePeerAddress } from "../../bgp-words.ts";
import { readMethod } from "../../detection-method.ts";
import {
  address,
  cidr,
  complain,
  condition,
  fields,
  metadata,
  nodeSelector,
  notBuilt,
  portNumber,
  schemaOf,
  text,
} from "../../schema.ts";
import type { BGPConfiguration, BGPFilter, BGPFilterRule, BGPPeer } from "./bgp.ts";
import { DEFAULT_NAME, flowTablesValues, type RoutingConfiguration } from "./routing-configuration.ts";

const asNumber = z.union([z.number(), z.string()]).superRefine((value, context) => {
  if (parseAsNumber(value) === undefined)
    complain(context, "bgp.as-number", [], `must be an AS number, such as 64512 or "1.10"; it is ${value}`);
});

const communityValue = text("bgp.community", (value) =>
  parseCommunity(value)
    ? undefined
    : `must be a community, such as 65000:100 or 65000:100:200; it is '${value}'`,
);

/** Whole seconds from 0 to `most`, as a Go duration. */
function seconds(most: number, least = 0) {
  return text("bgp.duration", (value) => {
    const ms = parseGoDuration(value);
    const whole = ms !== undefined && ms % 1000 === 0 && ms >= least * 1000 && ms <= most * 1000;
    return whole
      ? undefined
      : `must be a duration of ${least}s to ${most}s in whole seconds; it is '${value}'`;
  });
}

/** RFC 4724: twelve bits. */
const restartTime = seconds(4095);

const secretReference = fields({
  secretKeyRef: fields({
    name: z.string().min(1),
    key: z.string().min(1),
    optional: z.boolean().exactOptional(),
  }).exactOptional(),
});

const ranges = z.array(fields({ cidr }));

export const bgpConfigurationSchema = schemaOf<BGPConfiguration>()(
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
    spec: fields(
      {
        nodeToNodeMeshEnabled: z.boolean().exactOptional(),
        asNumber: asNumber.exactOptional(),
        listenPort: portNumber.exactOptional(),
        communities: z.array(fields({ name: z.string().min(1), value: communityValue })).exactOptional(),
        prefixAdvertisements: z
          .array(fields({ cidr, communities: z.array(z.string()).exactOptional() }))
          .exactOptional(),
        nodeMeshPassword: secretReference.exactOptional(),
        nodeMeshMaxRestartTime: restartTime.exactOptional(),
        serviceClusterIPs: ranges.exactOptional(),
        serviceExternalIPs: ranges.exactOptional(),
        serviceLoadBalancerIPs: ranges.exactOptional(),
        ignoredInterfaces: z
          .array(
            text("bgp.interface", (value) =>
              /^[\w.*?@-]{1,30}$/.test(value) ? undefined : `'${value}' is not the name of an interface`,
            ),
          )
          .exactOptional(),
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
  }),
);

export const bgpPeerSchema = schemaOf<BGPPeer>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("BGPPeer"),
    metadata: metadata(),
    spec: fields({
      node: z.string().exactOptional(),
      nodeSelector: nodeSelector.exactOptional(),
      peerIP: text("bgp.peer-ip", (value) =>
        value === "" || parsePeerAddress(value)
          ? undefined
          : `must be an address, ADDRESS:PORT or [IPV6]:PORT; it is '${value}'`,
      ).exactOptional(),
      asNumber: asNumber.exactOptional(),
      peerSelector: nodeSelector.exactOptional(),
      localASNumber: asNumber.exactOptional(),
      nextHopMode: z.enum(["Auto", "Self", "Keep"]).exactOptional(),
      keepOriginalNextHop: z.boolean().exactOptional(),
      password: secretReference.exactOptional(),
      maxRestartTime: restartTime.exactOptional(),
      numAllowedLocalASNumbers: z.number().exactOptional(),
      ttlSecurity: z.number().exactOptional(),
      sourceAddress: z.enum(["UseNodeIP", "None"]).exactOptional(),
      filters: z.array(z.string().min(1)).exactOptional(),
      reachableBy: address.exactOptional(),
      reversePeering: z.enum(["Auto", "Manual"]).exactOptional(),
      ...notBuilt("localWorkloadSelector keepaliveTime"),
    }).superRefine(checkPeer),
    status: fields({
      conditions: z.array(condition).exactOptional(),
      sessions: z.array(z.record(z.string(), z.unknown())).exactOptional(),
    }).exactOptional(),
  }),
);

function checkPeer(spec: BGPPeer["spec"], context: z.RefinementCtx): void {
  const set = (value: string | undefined) => value !== undefined && value !== "";
  const bad = (path: string, message: string, hint?: string) =>
    complain(context, "bgp.peer", [path], message, hint);
  if (set(spec.node) && set(spec.nodeSelector)) bad("nodeSelector", "and `node` exclude each other");
  if (set(spec.peerIP) && set(spec.peerSelector)) bad("peerSelector", "and `peerIP` exclude each other");
  if (
    !set(spec.peerIP) &&
    !set(spec.peerSelector) &&
    Reflect.get(spec, "localWorkloadSelector") === undefined
  )
    bad("peerIP", "is missing: whom to peer with is said by it or by `peerSelector`");
  if (set(spec.peerIP) && spec.asNumber === undefined)
    bad("asNumber", "is missing: a peer by its address needs it");
  if (set(spec.peerSelector) && spec.asNumber !== undefined)
    bad("asNumber", "excludes `peerSelector`: nodes have AS numbers of their own");
  if (spec.keepOriginalNextHop !== undefined && spec.nextHopMode !== undefined)
    bad("keepOriginalNextHop", "and `nextHopMode` exclude each other", "Use nextHopMode: Keep");
  inBounds(context, "ttlSecurity", spec.ttlSecurity, 255);
  inBounds(context, "numAllowedLocalASNumbers", spec.numAllowedLocalASNumbers, 255);
  const gateway = tryParseIp(spec.reachableBy ?? "");
  if (!gateway) return;
  if (!set(spec.peerIP)) bad("reachableBy", "needs `peerIP`");
  const peer = parsePeerAddress(spec.peerIP ?? "");
  if (peer && peer.ip.family !== gateway.family) bad("reachableBy", "must be of the family of `peerIP`");
}

function inBounds(context: z.RefinementCtx, path: string, value: number | undefined, most: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= 0 && value <= most)) return;
  complain(context, "bgp.number", [path], `must be a whole number from 0 to ${most}; it is ${value}`);
}

const metric = z.number().superRefine((value, context) => {
  if (!Number.isInteger(value) || value < 1 || value > 0x7fff_ffff)
    complain(context, "bgp.number", [], `must be a whole number from 1 to 2147483647; it is ${value}`);
});

const operation = z.union([
  fields({ addCommunity: fields({ value: communityValue }) }),
  fields({ prependASPath: fields({ prefix: z.array(asNumber) }) }),
  fields({ setPriority: fields({ value: metric }) }),
]);

function rule(family: 4 | 6) {
  const bits = family === 4 ? 32 : 128;
  return fields({
    action: z.enum(["Accept", "Reject"]),
    cidr: cidr.exactOptional(),
    matchOperator: z.enum(["In", "NotIn", "Equal", "NotEqual"]).exactOptional(),
    prefixLength: fields({
      min: z.number().exactOptional(),
      max: z.number().exactOptional(),
    }).exactOptional(),
    source: z.enum(["RemotePeers"]).exactOptional(),
    interface: text("bgp.interface", (value) =>
      /^[\w.*?@-]{1,30}$/.test(value) ? undefined : `'${value}' is not the name of an interface`,
    ).exactOptional(),
    peerType: z.enum(["eBGP", "iBGP"]).exactOptional(),
    priority: metric.exactOptional(),
    asPathPrefix: z.array(asNumber).exactOptional(),
    communities: fields({ values: z.array(communityValue) }).exactOptional(),
    operations: z.array(operation).exactOptional(),
  }).superRefine((one, context) => checkRule(one as BGPFilterRule, family, bits, context));
}

function checkRule(one: BGPFilterRule, family: 4 | 6, bits: number, context: z.RefinementCtx): void {
  const bad = (path: (string | number)[], message: string) => complain(context, "bgp.filter", path, message);
  const range = tryParseCidr(one.cidr ?? "");
  if (one.cidr !== undefined && one.matchOperator === undefined)
    bad(["matchOperator"], "is missing: a rule with `cidr` needs it");
  if (one.matchOperator !== undefined && one.cidr === undefined)
    bad(["cidr"], "is missing: a rule with `matchOperator` needs it");
  if (range && range.family !== family)
    bad(["cidr"], `must be an IPv${family} range here; it is ${one.cidr}`);
  const { min, max } = one.prefixLength ?? {};
  if (one.prefixLength && one.cidr === undefined) bad(["prefixLength"], "needs `cidr`");
  for (const [name, value] of Object.entries({ min, max }))
    if (value !== undefined && (!Number.isInteger(value) || value < 0 || value > bits))
      bad(["prefixLength", name], `must be a whole number from 0 to ${bits}; it is ${value}`);
  if (min !== undefined && max !== undefined && min > max)
    bad(["prefixLength", "min"], `must not be more than \`max\`; ${min} is more than ${max}`);
  if (one.operations && one.action === "Reject") bad(["operations"], "has no meaning with action Reject");
}

export const bgpFilterSchema = schemaOf<BGPFilter>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("BGPFilter"),
    metadata: metadata(),
    spec: fields({
      importV4: z.array(rule(4)).exactOptional(),
      exportV4: z.array(rule(4)).exactOptional(),
      importV6: z.array(rule(6)).exactOptional(),
      exportV6: z.array(rule(6)).exactOptional(),
    }),
  }),
);

const method = (family: 4 | 6) =>
  text("routing.node-address", (value) => {
    const read = readMethod(value, family);
    return "wrong" in read ? read.wrong : undefined;
  });

function whyNotPattern(one: string): string | undefined {
  try {
    new RegExp(one);
    return undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return `'${one}' is not a regular expression`;
  }
}

const mtu = z.number().superRefine((value, context) => {
  if (!Number.isInteger(value) || (value !== 0 && (value < 576 || value > 65_535)))
    complain(context, "routing.mtu", [], `must be 0, or a whole number from 576 to 65535; it is ${value}`);
});

export const routingConfigurationSchema = schemaOf<RoutingConfiguration>()(
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
        interfaces: z
          .array(
            text("routing.interface", (value) =>
              value === "" ? "is an empty pattern" : whyNotPattern(value),
            ),
          )
          .exactOptional(),
        updateTime: seconds(65_535, 1).exactOptional(),
        timeoutTime: seconds(65_535, 1).exactOptional(),
        garbageTime: seconds(65_535, 1).exactOptional(),
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
);
