// The options by which a daemon is told of its provider of subnets.
import { type Command, InvalidArgumentError } from "commander";
import { remoteCloud } from "../cloud/lab/client.ts";
import type { ProviderPlace } from "../cloud/provider.ts";

export interface ProviderOptions {
  /** Socket of a lab. */
  readonly provider?: string;
  readonly cluster: string;
}

export function providerOptions(command: Command): Command {
  return command
    .option("--provider <which>", "who has the subnets of eni-config: lab:SOCKET", providerSocket)
    .option(
      "--cluster <name>",
      "name of the cluster, in the tags of what is made at the provider",
      "default",
    );
}

/** @param caller how the provider knows the daemon */
export function providerOf(
  { provider, cluster }: ProviderOptions,
  caller: string,
): ProviderPlace | undefined {
  return provider === undefined ? undefined : { provider: remoteCloud(provider, caller), cluster };
}

function providerSocket(text: string): string {
  const socket = /^lab:(.+)$/.exec(text)?.[1];
  if (socket === undefined) throw new InvalidArgumentError("the provider that is there is lab:SOCKET");
  return socket;
}
