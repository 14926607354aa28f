// Schemas of the kinds around subnets: Subnet, NodeConfig, PodNetworking, PodENI.
import * as z from "zod";
import { goDurationForm } from "../../../base/go-duration.ts";
import { cidrContains, ipv4Number, tryParseCidr, tryParseIp } from "../../../base/ip.ts";
import {
  address,
  cidr,
  complain,
  instant,
  keyedList,
  list,
  ruled,
  someText,
  text,
  whole,
} from "../../forms.ts";
import { checkPodNetworking, mostSecurityGroups } from "../../pod-networking.ts";
import { boundedSelector, conditions, fields, metadata, schemaOf } from "../../schema.ts";
import { cel, matches, tell } from "../../told.ts";
import type { NodeConfig } from "../node-config.ts";
import type { PodENI } from "../pod-eni.ts";
import type { PodNetworking } from "../pod-networking.ts";
import type { SecurityGroup } from "../security-group.ts";
import type { Subnet } from "../subnet.ts";
import type { SubnetLedger } from "../subnet-ledger.ts";

/** The prefix length of the smallest range that has an address to give. */
const longestPrefix = 29;
const mostVlan = 4094;
const mostPort = 65_535;

const count = z.number();

export const subnetSchema = schemaOf<Subnet>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("Subnet"),
    metadata: metadata(),
    spec: ruled(
      fields({
        zone: someText,
        cidr,
        gateway: address.exactOptional(),
        vlan: whole("subnet.vlan", 1, mostVlan).exactOptional(),
        parents: list(
          fields({ nodeSelector: boundedSelector.exactOptional(), interface: someText }),
          1000,
        ).exactOptional(),
      }),
      [
        {
          code: "subnet.family",
          field: "cidr",
          holds: (spec) => tryParseCidr(spec.cidr)?.family !== 6,
          cel: cel.ofFamily("self.cidr", 4),
          says: "must be an IPv4 range: subnets carry IPv4 only",
        },
        {
          code: "subnet.small",
          field: "cidr",
          holds(spec) {
            const range = tryParseCidr(spec.cidr);
            return range?.family !== 4 || range.length <= longestPrefix;
          },
          cel: `!isCIDR(self.cidr) || cidr(self.cidr).ip().family() == 6 || cidr(self.cidr).prefixLength() <= ${longestPrefix}`,
          says: `must be /${longestPrefix} or larger`,
        },
        {
          code: "subnet.gateway",
          field: "gateway",
          holds(spec) {
            const [range, ip] = [tryParseCidr(spec.cidr), tryParseIp(spec.gateway ?? "")];
            return !range || !ip || cidrContains(range, ip);
          },
          cel: "!has(self.gateway) || !isIP(self.gateway) || !isCIDR(self.cidr) || cidr(self.cidr).containsIP(ip(self.gateway))",
          says: (spec) => `must lie inside ${spec.cidr}; it is ${spec.gateway}`,
          message: "must lie inside cidr",
        },
      ],
    ),
    status: fields({
      totalAddresses: count.exactOptional(),
      availableAddresses: count.exactOptional(),
      servedPods: count.exactOptional(),
      shortBy: count.exactOptional(),
      conditions: conditions.exactOptional(),
    }).exactOptional(),
  }),
);

const octet = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
/** By pattern, which costs servers nothing however many there are. */
const address4 = tell(
  text("schema.address", (value) =>
    ipv4Number(value) < 0 ? `'${value}' is not an IPv4 address` : undefined,
  ),
  { pattern: `^(${octet}[.]){3}${octet}$` },
);

export const subnetLedgerSchema = schemaOf<SubnetLedger>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("SubnetLedger"),
    metadata: metadata(),
    spec: fields({
      // A machine's limit of addresses, and as many tokens as it remembers.
      interfaces: keyedList(
        fields({
          id: someText,
          token: z.string(),
          status: z.enum(["Available", "InUse"]),
          instanceID: z.string().exactOptional(),
          mac: z.string(),
          securityGroupIDs: z.array(z.string()),
          addresses: z.array(address4),
          tags: z.record(z.string(), z.string()),
          createdAt: instant,
          assigned: z.array(fields({ token: z.string(), addresses: z.array(address4) })).exactOptional(),
        }),
        ["id"],
        65_536,
        "subnetledger.repeated",
      ),
    }),
  }),
);

const portForm = /^[0-9]{1,5}\/(tcp|udp|sctp)$/;
const aPort = "must be a port such as 80/tcp";
const groupPort = tell(
  text("securitygroup.port", (value) => {
    const port = Number.parseInt(value, 10);
    return portForm.test(value) && port >= 1 && port <= mostPort ? undefined : `${aPort}; it is '${value}'`;
  }),
  {
    maxLength: 10,
    rules: [
      { rule: `${matches(portForm)} && ${cel.whole("self.split('/')[0]", 1, mostPort)}`, message: aPort },
    ],
  },
);
const groupRules = list(
  fields({ peers: list(someText, 4096), ports: list(groupPort, 256).exactOptional() }),
  256,
).exactOptional();

export const securityGroupSchema = schemaOf<SecurityGroup>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("SecurityGroup"),
    metadata: metadata(),
    spec: fields({ ingress: groupRules, egress: groupRules }),
  }),
);

export const nodeConfigSchema = schemaOf<NodeConfig>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("NodeConfig"),
    metadata: metadata(),
    status: fields({
      sources: z.array(fields({ configMap: z.string(), resourceVersion: z.string() })).exactOptional(),
      hash: z.string().nullable().exactOptional(),
      since: z.string().nullable().exactOptional(),
      config: z.record(z.string(), z.unknown()).nullable().exactOptional(),
      zone: z.string().nullable().exactOptional(),
      vSwitchIDs: z.array(z.string()).exactOptional(),
      securityGroupIDs: z.array(z.string()).exactOptional(),
      findings: z
        .array(
          fields({
            code: z.enum(["UnknownKey", "EmptyOverlay", "SecurityGroupAdded", "UnusedKey"]),
            path: z.string(),
            source: z.string(),
            line: z.number(),
            column: z.number(),
            message: z.string(),
          }),
        )
        .exactOptional(),
      interfaces: z
        .array(
          fields({
            id: z.string(),
            vSwitchID: z.string(),
            securityGroupIDs: z.array(z.string()),
            mac: z.string(),
            hash: z.string(),
            addresses: z.array(z.string()).exactOptional(),
            used: count,
            idle: count,
          }),
        )
        .exactOptional(),
    }).exactOptional(),
  }),
);

const aReleaseAfter = "must be a duration from 0 on, as Go writes it: 1h, 90m, 1h30m";
const held =
  "has(self.type) && self.type == 'Fixed' && has(self.releaseStrategy) && self.releaseStrategy == 'TTL'";
// What `checkPodNetworking` says, for servers.
const allocationType = tell(
  fields({
    type: z.enum(["Elastic", "Fixed"]).exactOptional(),
    releaseStrategy: z.enum(["TTL", "Never"]).exactOptional(),
    releaseAfter: tell(
      text("podnetworking.release-after", (value) =>
        value.length > 64 ? "is longer than 64 characters" : undefined,
      ),
      {
        maxLength: 64,
        rules: [
          { rule: `${matches(goDurationForm)} && duration(self) >= duration('0s')`, message: aReleaseAfter },
        ],
      },
    ).exactOptional(),
  }),
  {
    rules: [
      {
        rule: `!(${held}) || has(self.releaseAfter)`,
        message:
          "is missing: TTL needs to know for how long an address is kept without its pod: Add releaseAfter, such as 1h",
        fieldPath: ".releaseAfter",
      },
      {
        rule: `!(${held}) || !has(self.releaseAfter) || !${matches(goDurationForm, "self.releaseAfter")} || duration(self.releaseAfter) >= duration('1ms')`,
        message: "is too short: a pod that is rescheduled may be away for longer",
        fieldPath: ".releaseAfter",
      },
    ],
  },
);

const emptied = (name: string) => ({
  rule: `!has(oldSelf.${name}) || oldSelf.${name}.size() == 0 || (has(self.${name}) && self.${name}.size() > 0)`,
  message:
    "cannot be emptied: pods of this network would have nowhere to go: Delete the PodNetworking if no pod shall use it",
  fieldPath: `.${name}`,
});

export const podNetworkingSchema = schemaOf<PodNetworking>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("PodNetworking"),
    metadata: metadata(),
    spec: tell(
      fields({
        eniOptions: fields({
          eniType: z.enum(["Default", "ENI", "Trunk"]).exactOptional(),
        }).exactOptional(),
        allocationType: allocationType.exactOptional(),
        selector: fields({
          podSelector: boundedSelector.exactOptional(),
          namespaceSelector: boundedSelector.exactOptional(),
        }).exactOptional(),
        vSwitchOptions: z.array(someText).exactOptional(),
        vSwitchSelectOptions: fields({
          vSwitchSelectionPolicy: z.enum(["ordered", "random", "most"]).exactOptional(),
        }).exactOptional(),
        securityGroupIDs: tell(z.array(someText), { maxItems: mostSecurityGroups }).exactOptional(),
      }),
      { rules: [emptied("vSwitchOptions"), emptied("securityGroupIDs")] },
    ),
    status: fields({
      status: z.enum(["Ready", "Fail", ""]).exactOptional(),
      vSwitches: z.array(fields({ id: z.string(), zone: z.string().exactOptional() })).exactOptional(),
      updateAt: z.string().exactOptional(),
      message: z.string().exactOptional(),
      conditions: conditions.exactOptional(),
    }).exactOptional(),
  }).superRefine(({ spec }, context) => {
    // How long an address must be held at least is the cluster's setting, which is not known here.
    for (const finding of checkPodNetworking(spec, 1)) {
      const { severity, code, path, message, hint } = finding;
      if (severity === "error") complain(context, code, [...path], message, hint);
    }
  }),
);

export const podEniSchema = schemaOf<PodENI>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("PodENI"),
    metadata: metadata(),
    spec: fields({
      zone: z.string().exactOptional(),
      allocations: z
        .array(
          fields(
            {
              // What cannot be read in a stored one keeps the address: nothing here is refused for its value.
              allocationType: fields({
                type: z.string().exactOptional(),
                releaseStrategy: z.string().exactOptional(),
                releaseAfter: z.string().exactOptional(),
              }).exactOptional(),
              eni: fields(
                {
                  id: z.string(),
                  mac: z.string().exactOptional(),
                  zone: z.string().exactOptional(),
                  vSwitchID: z.string().exactOptional(),
                  securityGroupIDs: z.array(z.string()).exactOptional(),
                  attachmentOptions: fields({ trunk: z.boolean().exactOptional() }).exactOptional(),
                },
                "vpcID resourceGroupID",
              ),
              ipv4: z.string().exactOptional(),
              ipv4CIDR: z.string().exactOptional(),
              ipv6: z.string().exactOptional(),
              ipv6CIDR: z.string().exactOptional(),
              interface: z.string().exactOptional(),
              defaultRoute: z.boolean().exactOptional(),
            },
            "extraRoutes extraConfig",
          ),
        )
        .exactOptional(),
    }),
    status: fields({
      phase: z.enum(["", "Bind", "Binding", "Detaching", "Unbind", "Deleting"]).exactOptional(),
      instanceID: z.string().exactOptional(),
      trunkENIID: z.string().exactOptional(),
      msg: z.string().exactOptional(),
      podLastSeen: z.string().exactOptional(),
      eniInfos: z
        .record(
          z.string(),
          fields(
            {
              id: z.string(),
              type: z.enum(["Secondary", "Member"]).exactOptional(),
              vid: z.number().exactOptional(),
              status: z.enum(["Bind", "Unbind"]).exactOptional(),
            },
            "networkCardIndex vfID",
          ),
        )
        .exactOptional(),
    }).exactOptional(),
  }),
);
