// Schemas of the kinds around subnets: Subnet, NodeConfig, PodNetworking, PodENI.
import * as z from "zod";
import { cidrContains, tryParseCidr, tryParseIp } from "../../../base/ip.ts";
import { checkPodNetworking } from "../../pod-networking.ts";
import {
  address,
  cidr,
  complain,
  condition,
  fields,
  labelSelector,
  metadata,
  schemaOf,
  text,
} from "../../schema.ts";
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

const someText = text("schema.required", (value) => (value === "" ? "must not be empty" : undefined));
const count = z.number();

export const subnetSchema = schemaOf<Subnet>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("Subnet"),
    metadata: metadata(),
    spec: fields({
      zone: someText,
      cidr,
      gateway: address.exactOptional(),
      vlan: z
        .number()
        .superRefine((value, context) => {
          if (!Number.isInteger(value) || value < 1 || value > mostVlan)
            complain(context, "subnet.vlan", [], `must be between 1 and ${mostVlan}; it is ${value}`);
        })
        .exactOptional(),
      parents: z
        .array(fields({ nodeSelector: labelSelector.exactOptional(), interface: someText }))
        .exactOptional(),
    }).superRefine(({ cidr: written, gateway }, context) => {
      const range = tryParseCidr(written);
      if (!range) return;
      if (range.family === 6)
        complain(context, "subnet.family", ["cidr"], "must be an IPv4 range: subnets carry IPv4 only");
      else if (range.length > longestPrefix)
        complain(context, "subnet.small", ["cidr"], `must be /${longestPrefix} or larger`);
      const ip = gateway === undefined ? undefined : tryParseIp(gateway);
      if (ip && !cidrContains(range, ip))
        complain(context, "subnet.gateway", ["gateway"], `must lie inside ${written}; it is ${gateway}`);
    }),
    status: fields({
      totalAddresses: count.exactOptional(),
      availableAddresses: count.exactOptional(),
      servedPods: count.exactOptional(),
      shortBy: count.exactOptional(),
      conditions: z.array(condition).exactOptional(),
    }).exactOptional(),
  }),
);

export const subnetLedgerSchema = schemaOf<SubnetLedger>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("SubnetLedger"),
    metadata: metadata(),
    spec: fields({
      interfaces: z.array(
        fields({
          id: someText,
          token: z.string(),
          status: z.enum(["Available", "InUse"]),
          instanceID: z.string().exactOptional(),
          mac: z.string(),
          securityGroupIDs: z.array(z.string()),
          addresses: z.array(address),
          tags: z.record(z.string(), z.string()),
          createdAt: z.string(),
          assigned: z.array(fields({ token: z.string(), addresses: z.array(address) })).exactOptional(),
        }),
      ),
    }),
  }),
);

const groupRules = z
  .array(
    fields({
      peers: z.array(someText),
      ports: z
        .array(
          text("securitygroup.port", (value) =>
            /^\d{1,5}\/(tcp|udp|sctp)$/.test(value) && Number.parseInt(value, 10) <= mostPort
              ? undefined
              : `must be a port such as 80/tcp; it is '${value}'`,
          ),
        )
        .exactOptional(),
    }),
  )
  .exactOptional();

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

const allocationType = fields({
  type: z.enum(["Elastic", "Fixed"]).exactOptional(),
  releaseStrategy: z.enum(["TTL", "Never"]).exactOptional(),
  releaseAfter: z.string().exactOptional(),
});

export const podNetworkingSchema = schemaOf<PodNetworking>()(
  fields({
    apiVersion: z.string(),
    kind: z.literal("PodNetworking"),
    metadata: metadata(),
    spec: fields({
      eniOptions: fields({
        eniType: z.enum(["Default", "ENI", "Trunk"]).exactOptional(),
      }).exactOptional(),
      allocationType: allocationType.exactOptional(),
      selector: fields({
        podSelector: labelSelector.exactOptional(),
        namespaceSelector: labelSelector.exactOptional(),
      }).exactOptional(),
      vSwitchOptions: z.array(someText).exactOptional(),
      vSwitchSelectOptions: fields({
        vSwitchSelectionPolicy: z.enum(["ordered", "random", "most"]).exactOptional(),
      }).exactOptional(),
      securityGroupIDs: z.array(someText).exactOptional(),
    }),
    status: fields({
      status: z.enum(["Ready", "Fail", ""]).exactOptional(),
      vSwitches: z.array(fields({ id: z.string(), zone: z.string().exactOptional() })).exactOptional(),
      updateAt: z.string().exactOptional(),
      message: z.string().exactOptional(),
      conditions: z.array(condition).exactOptional(),
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
