// The options by which a daemon is told of its provider of subnets.
import { type Command, InvalidArgumentError, Option } from "commander";
import { Client } from "../cloud/alibaba/client.ts";
import { type CredentialSource, Credentials } from "../cloud/alibaba/credentials.ts";
import { alibabaProvider } from "../cloud/alibaba/provider.ts";
import { remoteCloud } from "../cloud/lab/client.ts";
import type { ProviderPlace } from "../cloud/provider.ts";
import { VlanLinks } from "../cloud/vlan/links.ts";
import { vlanProvider } from "../cloud/vlan/provider.ts";
import type { Store } from "../store/store.ts";

type Which =
  | { readonly kind: "lab"; readonly socket: string }
  | { readonly kind: "vlan" }
  | { readonly kind: "alibaba"; readonly region: string };

export interface ProviderOptions {
  readonly provider?: Which;
  readonly providerCredentials: CredentialSource;
  readonly providerEndpoint?: string;
  readonly providerGroup?: readonly string[];
  readonly cluster: string;
}

export function providerOptions(command: Command): Command {
  return command
    .option(
      "--provider <which>",
      "who has the subnets of eni-config: alibaba:REGION, vlan (switches of one's own), or lab:SOCKET",
      readProvider,
    )
    .addOption(
      new Option(
        "--provider-credentials <where>",
        "alibaba: env (ALIBABA_CLOUD_ACCESS_KEY_ID, …), ram-role, ram-role:NAME, or a folder with access-key-id and access-key-secret",
      )
        .argParser(readCredentials)
        .default({ from: "env" }, "env"),
    )
    .option(
      "--provider-endpoint <url>",
      "alibaba: where its interfaces are, with PRODUCT for ecs or vpc, such as https://PRODUCT-vpc.REGION.aliyuncs.com",
      readEndpoint,
    )
    .option(
      "--provider-group <id...>",
      "vlan: security groups that the network's own filters enforce, beside those that are objects (SecurityGroup); commas between them are taken, too",
      (text: string, before: readonly string[] | undefined) => [
        ...(before ?? []),
        ...text.split(",").filter((id) => id !== ""),
      ],
    )
    .option(
      "--cluster <name>",
      "name of the cluster, in the tags of what is made at the provider",
      "default",
    );
}

/** @param caller how the lab's provider knows the daemon */
export function providerOf(
  options: ProviderOptions,
  caller: string,
  store: Store,
): ProviderPlace | undefined {
  const { provider, cluster } = options;
  if (provider === undefined) return undefined;
  switch (provider.kind) {
    case "lab":
      return { provider: remoteCloud(provider.socket, caller), cluster };
    case "vlan":
      return {
        provider: vlanProvider({ store, securityGroupIDs: options.providerGroup ?? [] }),
        cluster,
        machinesAreNodes: true,
        filtersGroup: (id) => options.providerGroup?.includes(id) === true,
        plugs: ({ facts, node }) =>
          new VlanLinks({ subnets: facts.subnets, node: () => facts.nodes.get(node) }),
      };
    case "alibaba": {
      const { region } = provider;
      const credentials = new Credentials({ source: options.providerCredentials });
      return {
        provider: alibabaProvider({ region, credentials, ...endpointOf(options) }),
        cluster,
        membersShareMac: true,
        filtersGroup: () => true,
      };
    }
  }
}

/** Returns who calls Alibaba Cloud in a region with the keys of the provider, for sinks; undefined: there are none. */
export function sinkCloudOf(options: ProviderOptions): ((region: string) => Client) | undefined {
  const { provider, providerCredentials: source } = options;
  if (provider?.kind !== "alibaba") return undefined;
  const credentials = new Credentials({ source });
  const clients = new Map<string, Client>();
  return (region) => {
    const client = clients.get(region) ?? new Client({ region, credentials, ...endpointOf(options) });
    clients.set(region, client);
    return client;
  };
}

function endpointOf({ providerEndpoint }: ProviderOptions) {
  return providerEndpoint === undefined
    ? {}
    : { endpoint: (product: string) => providerEndpoint.replaceAll("PRODUCT", product) };
}

/** Nothing is nobody: what an installation does not set. */
function readProvider(text: string): Which | undefined {
  if (text === "") return undefined;
  const [, socket, region] = /^(?:lab:(.+)|alibaba:([a-z0-9-]+)|vlan)$/.exec(text) ?? [];
  if (socket !== undefined) return { kind: "lab", socket };
  if (region !== undefined) return { kind: "alibaba", region };
  if (text === "vlan") return { kind: "vlan" };
  throw new InvalidArgumentError("it is one of alibaba:REGION, vlan, lab:SOCKET");
}

function readCredentials(text: string): CredentialSource {
  if (text === "env") return { from: "env" };
  const [, role] = /^ram-role(?::([\w.-]+))?$/.exec(text) ?? [];
  if (text.startsWith("ram-role")) {
    if (text !== "ram-role" && role === undefined) throw new InvalidArgumentError("a role is ram-role:NAME");
    return { from: "ram-role", ...(role !== undefined && { role }) };
  }
  if (text.startsWith("/")) return { from: "folder", folder: text };
  throw new InvalidArgumentError("it is one of env, ram-role, ram-role:NAME, or the path of a folder");
}

function readEndpoint(text: string): string | undefined {
  if (text === "") return undefined;
  const url = URL.parse(text.replaceAll("PRODUCT", "ecs"));
  // Keys that are read on the way are lost.
  const isLocal = url?.hostname === "127.0.0.1" || url?.hostname === "[::1]";
  if (url?.protocol === "https:" || (url?.protocol === "http:" && isLocal)) return text;
  throw new InvalidArgumentError("it must be an https URL");
}
