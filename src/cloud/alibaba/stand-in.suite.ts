// A stand-in for ECS and VPC on the loopback, for tests: it checks each request's signature by itself, knows each action's
// parameters and refuses all others, answers in pages of two, and shows what was deleted for a while.
import { createHash, createHmac } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { TrunklineError } from "../../base/errors.ts";
import { LabCloud } from "../lab/lab-cloud.ts";
import { emptyCloud } from "../lab/state.ts";
import { type CloudProvider, cloudCodeOf } from "../provider.ts";
import type { CloudInterface } from "../types.ts";
import { Client } from "./client.ts";
import { Credentials } from "./credentials.ts";
import { StandInLists } from "./stand-in-lists.suite.ts";

const PAGE = 2;
/** How often a deleted interface is still listed. */
const LINGERING_LOOKS = 2;

const versions: Readonly<Record<string, string>> = {
  DescribeVSwitches: "2016-04-28",
};
const ecsVersion = "2014-05-26";

const known: Readonly<Record<string, RegExp>> = {
  DescribeVSwitches: /^VSwitchId$/,
  DescribeSecurityGroups: /^(SecurityGroupIds|MaxResults|NextToken)$/,
  DescribeNetworkInterfaces:
    /^(NetworkInterfaceId\.\d+|InstanceId|VSwitchId|SecurityGroupId|Tag\.\d+\.(Key|Value)|MaxResults|NextToken)$/,
  CreateNetworkInterface:
    /^(ClientToken|VSwitchId|InstanceType|SecurityGroupIds\.\d+|PrimaryIpAddress|SecondaryPrivateIpAddressCount|Tag\.\d+\.(Key|Value))$/,
  AttachNetworkInterface: /^(NetworkInterfaceId|InstanceId|TrunkNetworkInstanceId)$/,
  DetachNetworkInterface: /^(NetworkInterfaceId|InstanceId|TrunkNetworkInstanceId)$/,
  DeleteNetworkInterface: /^NetworkInterfaceId$/,
  AssignPrivateIpAddresses: /^(ClientToken|NetworkInterfaceId|SecondaryPrivateIpAddressCount)$/,
  UnassignPrivateIpAddresses: /^(NetworkInterfaceId|PrivateIpAddress\.\d+)$/,
  DescribeInstances: /^InstanceIds$/,
  DescribeInstanceTypes: /^InstanceTypes\.\d+$/,
};

export interface Seen {
  readonly action: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly nonce: string;
}

/** What happens to the next requests, one each. `status`: answered with it and no text; `reset`: done, and cut off. */
export type Mishap = "throttle" | "reset" | { readonly status: number } | { readonly code: string };

export class StandIn {
  readonly requests: Seen[] = [];
  readonly mishaps: Mishap[] = [];
  /** The keys that it takes, by id. */
  readonly keys = new Map([["id", "secret"]]);
  /** What databases and security groups let in. */
  readonly admitting = new StandInLists();
  readonly #lab: LabCloud;
  readonly #cloud: CloudProvider;
  readonly #server: Server;
  readonly #nonces = new Set<string>();
  readonly #lingering = new Map<string, { readonly one: CloudInterface; looks: number }>();

  constructor(lab: LabCloud) {
    this.#lab = lab;
    this.#cloud = lab.for("ecs");
    this.#server = createServer((request, response) => {
      void this.#answer(request).then(({ status, body }) => {
        if (body === undefined && status === 0) return void request.socket.destroy();
        response.writeHead(status, { "content-type": "application/json" });
        response.end(body === undefined ? "<html>" : JSON.stringify(body));
      });
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, "127.0.0.1", resolve);
    });
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  async #answer(request: IncomingMessage): Promise<{ status: number; body?: object }> {
    const url = new URL(request.url ?? "", "http://x");
    const parameters = Object.fromEntries(url.searchParams);
    const action = String(request.headers["x-acs-action"]);
    const nonce = String(request.headers["x-acs-signature-nonce"]);
    this.requests.push({ action, parameters, nonce });
    const refusal = this.#refusal(request, url, action, nonce, parameters);
    if (refusal !== undefined) return refused(refusal);
    const mishap = this.mishaps.shift();
    if (mishap === "throttle") return refused("Throttling.User");
    if (typeof mishap === "object" && "code" in mishap) return refused(mishap.code);
    if (typeof mishap === "object") return { status: mishap.status };
    try {
      const own = this.admitting.act(String(request.headers["x-acs-version"]), action, parameters);
      if (typeof own === "string") return refused(own);
      const body = own ?? (await this.#act(action, parameters));
      return mishap === "reset" ? { status: 0 } : { status: 200, body: { RequestId: nonce, ...body } };
    } catch (error) {
      return refused(cloudCodeOf(error) ?? "InternalError");
    }
  }

  #refusal(
    request: IncomingMessage,
    url: URL,
    action: string,
    nonce: string,
    parameters: Readonly<Record<string, string>>,
  ): string | undefined {
    const { headers } = request;
    if (request.method !== "POST" || url.pathname !== "/") return "InvalidRequest";
    const version = String(headers["x-acs-version"]);
    const own = this.admitting.parameters(version, action);
    if (!own && version !== (versions[action] ?? ecsVersion)) return "InvalidVersion";
    if (this.#nonces.has(nonce)) return "SignatureNonceUsed";
    this.#nonces.add(nonce);
    const form = /^ACS3-HMAC-SHA256 Credential=([^,]+),SignedHeaders=([^,]+),Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? "",
    );
    const [, id = "", names = "", signature] = form ?? [];
    const secret = this.keys.get(id);
    if (secret === undefined) return "InvalidAccessKeyId.NotFound";
    const must = ["host", ...Object.keys(headers).filter((name) => name.startsWith("x-acs-"))].toSorted();
    if (names !== must.join(";")) return "MissingSignedHeader";
    // Of the raw text, so that nothing of ours has any part in it.
    const query = url.search.slice(1).split("&").toSorted().join("&");
    const lines = must.map((name) => `${name}:${String(headers[name])}\n`).join("");
    const sum = (text: string) => createHash("sha256").update(text).digest("hex");
    const text = ["POST", "/", query, lines, names, sum("")].join("\n");
    const right = createHmac("sha256", secret)
      .update(`ACS3-HMAC-SHA256\n${sum(text)}`)
      .digest("hex");
    if (right !== signature) return "SignatureDoesNotMatch";
    const { RegionId, ...others } = parameters;
    if (RegionId !== "cn-test") return "InvalidRegionId.NotFound";
    const unknown = Object.keys(others).find((name) => (own ?? known[action])?.test(name) !== true);
    return unknown === undefined ? undefined : `InvalidParameter.${unknown}`;
  }

  async #act(action: string, given: Readonly<Record<string, string>>): Promise<object> {
    const cloud = this.#cloud;
    const text = (name: string) => given[name] ?? "";
    const listed = (name: string) =>
      Object.entries(given).flatMap(([key, value]) =>
        new RegExp(`^${name}\\.\\d+$`).test(key) ? [value] : [],
      );
    const tags = Object.fromEntries(
      Object.entries(given).flatMap(([key, value]) => {
        const at = /^Tag\.(\d+)\.Key$/.exec(key)?.[1];
        return at === undefined ? [] : [[value, text(`Tag.${at}.Value`)]];
      }),
    );
    const id = text("NetworkInterfaceId");
    const trunk = given["TrunkNetworkInstanceId"];
    const attachment = {
      id,
      instanceID: text("InstanceId"),
      ...(trunk !== undefined && { trunkENIID: trunk }),
    };
    switch (action) {
      case "DescribeVSwitches": {
        const found = await cloud.describeSubnets([text("VSwitchId")]);
        const VSwitch = found.map((one) => ({
          VSwitchId: one.id,
          ZoneId: one.zone,
          CidrBlock: one.cidr,
          AvailableIpAddressCount: one.available,
        }));
        return { TotalCount: found.length, VSwitches: { VSwitch } };
      }
      case "DescribeSecurityGroups": {
        const ids = await cloud.describeSecurityGroups(JSON.parse(text("SecurityGroupIds")) as string[]);
        const { items, ...more } = page(ids, given["NextToken"]);
        return { ...more, SecurityGroups: { SecurityGroup: items.map((one) => ({ SecurityGroupId: one })) } };
      }
      case "DescribeNetworkInterfaces": {
        const ids = listed("NetworkInterfaceId");
        const filter = {
          ...(ids.length > 0 && { ids }),
          ...(given["InstanceId"] !== undefined && { instanceID: text("InstanceId") }),
          ...(given["VSwitchId"] !== undefined && { vSwitchID: text("VSwitchId") }),
          tags,
        };
        const group = given["SecurityGroupId"];
        const living = (await cloud.describeInterfaces(filter)).filter(
          (one) => group === undefined || one.securityGroupIDs.includes(group),
        );
        const all = [...living, ...this.#lingers(ids)];
        const { items, ...more } = page(all, given["NextToken"]);
        return { ...more, NetworkInterfaceSets: { NetworkInterfaceSet: items.map(written) } };
      }
      case "CreateNetworkInterface":
        return written(
          await cloud.createInterface({
            token: text("ClientToken"),
            vSwitchID: text("VSwitchId"),
            securityGroupIDs: listed("SecurityGroupIds"),
            type: text("InstanceType") as "Secondary",
            ...(given["PrimaryIpAddress"] !== undefined && { address: text("PrimaryIpAddress") }),
            addressCount: 1 + Number(given["SecondaryPrivateIpAddressCount"] ?? 0),
            tags,
          }),
        );
      case "AttachNetworkInterface": {
        const [now] = await cloud.describeInterfaces({ ids: [id] });
        // The real one is not as kind as the lab's: what is attached already is refused.
        if (now && now.status !== "Available") return await Promise.reject(state("AttachNetworkInterface"));
        await cloud.attachInterface(attachment);
        return {};
      }
      case "DetachNetworkInterface": {
        const [now] = await cloud.describeInterfaces({ ids: [id] });
        if (now?.status !== "InUse" || now.trunkENIID !== trunk)
          return await Promise.reject(state("DetachNetworkInterface"));
        await cloud.detachInterface(attachment);
        return {};
      }
      case "DeleteNetworkInterface": {
        const [one] = await cloud.describeInterfaces({ ids: [id] });
        if (!one) return await Promise.reject(state("DeleteNetworkInterface", "InvalidEniId.NotFound"));
        await cloud.deleteInterface(id);
        this.#lingering.set(id, { one, looks: LINGERING_LOOKS });
        return {};
      }
      case "AssignPrivateIpAddresses": {
        const count = Number(text("SecondaryPrivateIpAddressCount"));
        const PrivateIpAddress = await cloud.assignAddresses({ token: text("ClientToken"), id, count });
        return {
          AssignedPrivateIpAddressesSet: { NetworkInterfaceId: id, PrivateIpSet: { PrivateIpAddress } },
        };
      }
      case "UnassignPrivateIpAddresses": {
        const [one] = await cloud.describeInterfaces({ ids: [id] });
        const addresses = listed("PrivateIpAddress");
        if (addresses.some((address) => !one?.addresses.includes(address)))
          return await Promise.reject(state("UnassignPrivateIpAddresses", "InvalidIp.IpUnassigned"));
        await cloud.unassignAddresses(id, addresses);
        return {};
      }
      case "DescribeInstances": {
        const [InstanceId = ""] = JSON.parse(text("InstanceIds")) as string[];
        await cloud.describeInstance(InstanceId);
        return { Instances: { Instance: [{ InstanceId, InstanceType: `ecs.${InstanceId}` }] } };
      }
      default: {
        const name = text("InstanceTypes.1");
        const limits = await cloud.describeInstance(name.replace(/^ecs\./, ""));
        const type = {
          InstanceTypeId: name,
          EniQuantity: limits.adapters,
          EniPrivateIpAddressQuantity: limits.ipv4PerAdapter,
          EniTotalQuantity: limits.adapters + limits.memberAdapterLimit,
          EniTrunkSupported: limits.memberAdapterLimit > 0,
        };
        return { InstanceTypes: { InstanceType: [type] } };
      }
    }
  }

  #lingers(ids: readonly string[]): CloudInterface[] {
    return [...this.#lingering.values()].flatMap((entry) => {
      if (!ids.includes(entry.one.id) || entry.looks-- <= 0) return [];
      return [{ ...entry.one, status: "Detaching" as const }];
    });
  }

  get lab(): LabCloud {
    return this.#lab;
  }
}

function page<T>(all: readonly T[], token: string | undefined) {
  const from = Number(token ?? 0);
  const isLast = from + PAGE >= all.length;
  return { items: all.slice(from, from + PAGE), NextToken: isLast ? "" : `${from + PAGE}` };
}

function written(one: CloudInterface): object {
  return {
    NetworkInterfaceId: one.id,
    Type: one.type,
    Status: one.status,
    MacAddress: one.mac.toUpperCase(),
    VSwitchId: one.vSwitchID,
    ZoneId: one.zone,
    InstanceId: one.instanceID ?? "",
    PrivateIpAddress: one.addresses[0],
    // In an order of its own: the primary one is marked.
    PrivateIpSets: {
      PrivateIpSet: one.addresses
        .map((PrivateIpAddress, at) => ({ PrivateIpAddress, Primary: at === 0 }))
        .toSorted((a, b) => Number(a.Primary) - Number(b.Primary)),
    },
    SecurityGroupIds: { SecurityGroupId: one.securityGroupIDs },
    Tags: { Tag: Object.entries(one.tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue })) },
    CreationTime: one.createdAt,
    ...(one.instanceID !== undefined && {
      Attachment: {
        InstanceId: one.instanceID,
        TrunkNetworkInterfaceId: one.trunkENIID ?? "",
        DeviceIndex: one.vid ?? 1,
      },
    }),
  };
}

function refused(Code: string): { status: number; body: object } {
  return {
    status: Code === "InternalError" ? 500 : 400,
    body: { Code, Message: "refused by the stand-in", RequestId: "r" },
  };
}

function state(call: string, cloudCode = "InvalidOperation.InvalidEniState"): Error {
  return new TrunklineError("cloud.refused", { call, cloudCode, message: "" });
}

/** Returns a stand-in without subnets that listens, and what makes clients of it; to be closed. */
export async function openStandIn(): Promise<{
  readonly standIn: StandIn;
  readonly cloud: (region: string) => Client;
}> {
  const nothing = { subnets: [], securityGroupIDs: [], instances: [] };
  const standIn = new StandIn(new LabCloud({ state: emptyCloud(), ...nothing, now: () => 0 }));
  const url = await standIn.listen();
  const environment = { ALIBABA_CLOUD_ACCESS_KEY_ID: "id", ALIBABA_CLOUD_ACCESS_KEY_SECRET: "secret" };
  const credentials = new Credentials({ source: { from: "env" }, environment });
  return { standIn, cloud: (region) => new Client({ region, credentials, endpoint: () => url }) };
}
