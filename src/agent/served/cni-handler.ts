// Answers the plugin executable's requests: validates, calls the endpoints, words results and failures as the CNI
// specification has them.
import { isError, TrunklineError, textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { podOf } from "../../cni/args.ts";
import { type PluginConfig, readConfig } from "../../cni/config.ts";
import { type AgentReply, type AgentRequest, readRequest } from "../../cni/protocol.ts";
import { convertResult, extendResult, failureText } from "../../cni/result.ts";
import { type CniFailure, type CniResult, failure, failureCode, isFailure } from "../../cni/spec.ts";
import { type CniVersion, negotiate, newestVersion } from "../../cni/versions.ts";
import type { Machine } from "../../kernel/kernel.ts";
import { AddParts } from "../pods/add-parts.ts";
import { endpointKey, factsOf } from "../pods/endpoint.ts";
import type { Endpoints } from "../pods/endpoints.ts";
import type { DelQueue } from "./del-queue.ts";

export interface CniHandlerOptions {
  readonly machine: Machine;
  readonly endpoints: Endpoints;
  readonly queue: DelQueue;
  readonly logger: Logger;
  /** Identity of the node's own namespace, in which no pod may be. */
  readonly nodeNetnsId: string;
  /** Why no pod can be served at all yet. */
  readonly notStarted: () => string | undefined;
  /** Why the node is not ready now; undefined when all is well. */
  readonly notReady: () => string | undefined;
  /** MTU for pods whose configuration names none, in bytes. */
  readonly mtu: () => number;
  /** Told of each answer; `parts` of an ADD that succeeded. */
  readonly onDone?: (verb: string, code: number, seconds: number, parts?: AddParts) => void;
  /** An ADD failed: for an Event on the pod. */
  readonly onAddFailed?: (request: AgentRequest, failed: CniFailure) => void;
}

export class CniHandler {
  readonly #options: CniHandlerOptions;

  constructor(options: CniHandlerOptions) {
    this.#options = options;
  }

  /** Answers one request; never rejects. */
  async handle(text: string): Promise<AgentReply> {
    const parts = new AddParts();
    const request = readRequest(text);
    if (isFailure(request)) return failed(request, newestVersion);
    const config = readConfig(request.config);
    if (isFailure(config)) return failed(config, newestVersion);
    const version = negotiate(config.cniVersion, request.command);
    if (typeof version === "object") return failed(version, newestVersion);
    const reply = await this.#answer(request, config, version, parts);
    const code = isFailure(reply) ? reply.code : 0;
    const isAdded = code === 0 && request.command === "ADD";
    this.#options.onDone?.(request.command, code, parts.whole / 1000, isAdded ? parts : undefined);
    // By this clock the bench finds out what came before and after.
    if (isAdded)
      this.#options.logger.debug(
        { containerId: request.containerId, ifName: request.ifName, ms: parts.facts() },
        "ADD is answered",
      );
    if (!isFailure(reply)) return { exitCode: 0, stdout: reply.stdout };
    this.#report(request, reply);
    return failed(reply, version);
  }

  async #answer(
    request: AgentRequest,
    config: PluginConfig,
    version: CniVersion,
    parts: AddParts,
  ): Promise<{ stdout: string } | CniFailure> {
    try {
      switch (request.command) {
        case "ADD": {
          const result = await this.#add(request, config, parts);
          if (isFailure(result)) return result;
          const stdout = `${JSON.stringify(convertResult(result, version))}\n`;
          parts.ended("answer");
          return { stdout };
        }
        case "DEL":
          await this.#options.endpoints.remove({
            containerId: request.containerId,
            ifName: request.ifName,
            pod: podOf(request.args),
          });
          return { stdout: "" };
        case "CHECK":
          return this.#check(request, config) ?? { stdout: "" };
        case "GC":
          return (await this.#collect(config)) ?? { stdout: "" };
        default:
          return this.#status() ?? { stdout: "" };
      }
    } catch (error) {
      return failureOf(error);
    }
  }

  async #add(request: AgentRequest, config: PluginConfig, parts: AddParts): Promise<CniResult | CniFailure> {
    const { machine, endpoints, queue, mtu } = this.#options;
    const notStarted = this.#options.notStarted();
    if (notStarted !== undefined)
      return failure(failureCode.tryAgainLater, "the Trunkline agent is not ready", notStarted);
    const netnsId = machine.identityOf({ path: request.netns });
    if (netnsId === this.#options.nodeNetnsId)
      return failure(
        failureCode.invalidNetns,
        "plugin's netns and netns from CNI_NETNS should not be the same",
        request.netns,
      );
    queue.forget(request.containerId, request.ifName);
    const wanted = {
      containerId: request.containerId,
      ifName: request.ifName,
      network: config.name,
      netns: request.netns,
      netnsId,
      pod: podOf(request.args),
      mtu: config.mtu ?? mtu(),
    };
    parts.ended("request");
    const ours = await endpoints.add(wanted, parts);
    return extendResult(config.prevResult, ours);
  }

  #check(request: AgentRequest, config: PluginConfig): CniFailure | undefined {
    const { endpoints } = this.#options;
    const endpoint = endpoints.known.get(endpointKey(request));
    if (endpoint?.phase !== "ready" || endpoint.result === undefined)
      return failure(
        failureCode.unknownContainer,
        "this container has no interface of that name",
        endpointKey(request),
      );
    if (config.prevResult === undefined)
      return failure(failureCode.invalidConfig, "CHECK needs the prevResult of the container's ADD");
    const faults = [
      ...missingFrom(config.prevResult, endpoint.result),
      ...endpoints.check({ ...endpoint, netns: request.netns }, endpoint.result),
    ];
    if (faults.length === 0) return undefined;
    return failure(failureCode.checkFailed, "the pod's network is not as ADD left it", faults.join("; "));
  }

  /**
   * Removes every endpoint of the network that is not named; goes on after a failure and then tells of all. The list is of a
   * moment before: a runtime that adds meanwhile, against the specification, must not lose what it has just been given.
   */
  async #collect(config: PluginConfig): Promise<CniFailure | undefined> {
    const { endpoints, logger } = this.#options;
    const valid = new Set(config.validAttachments.map(endpointKey));
    const failures: string[] = [];
    const found = [...endpoints.known];
    for (const [key, endpoint] of found) {
      if (endpoint.network !== config.name || valid.has(key) || endpoint.phase === "adding") continue;
      logger.info(factsOf(endpoint), "collecting an endpoint that the runtime does not know");
      try {
        await endpoints.removeFound(endpoint);
      } catch (error) {
        failures.push(`${key}: ${textOf(error)}`);
      }
    }
    if (failures.length === 0) return undefined;
    return failure(failureCode.internal, "some attachments could not be removed", failures.join("; "));
  }

  #status(): CniFailure | undefined {
    const why = this.#options.notReady();
    return why === undefined
      ? undefined
      : failure(failureCode.notAvailable, "the plugin is not available", why);
  }

  #report(request: AgentRequest, failed: CniFailure): void {
    if (request.command === "STATUS") return;
    const { command: verb, containerId, ifName, netns, args } = request;
    const pod = podOf(args);
    const facts = {
      verb,
      containerId,
      ifName,
      netns,
      pod: pod ? `${pod.namespace}/${pod.name}` : "",
      ...failed,
    };
    this.#options.logger.warn(facts, `${verb} failed`);
    if (verb === "ADD") this.#options.onAddFailed?.(request, failed);
  }
}

/** What ADD answered must be in what the runtime holds as the result; what later plugins added is theirs. */
function missingFrom(previous: CniResult, ours: CniResult): string[] {
  const interfaces = new Set((previous.interfaces ?? []).map((one) => one.name));
  const ips = new Set((previous.ips ?? []).map((one) => one.address));
  return [
    ...(ours.interfaces ?? [])
      .filter((one) => !interfaces.has(one.name))
      .map((one) => `prevResult lacks the interface ${one.name}`),
    ...(ours.ips ?? [])
      .filter((one) => !ips.has(one.address))
      .map((one) => `prevResult lacks the address ${one.address}`),
  ];
}

/** Sorts errors into the specification's codes: what the runtime may try again, what is wrong with its request. */
function failureOf(error: unknown): CniFailure {
  const text = textOf(error);
  if (isError(error, "cni.failed")) return failure(error.data.code, error.data.msg, error.data.details);
  if (isError(error, "kernel.no-netns"))
    return failure(failureCode.invalidNetns, "CNI_NETNS cannot be opened", text);
  if (isError(error, "agent.bandwidth") || isError(error, "agent.no-limit"))
    return failure(failureCode.invalidConfig, "the pod's bandwidth cannot be limited", text);
  if (isError(error, "agent.interface-exists")) return failure(failureCode.interfaceExists, text);
  if (isError(error, "agent.journal") || isError(error, "ipam.journal"))
    return failure(failureCode.tryAgainLater, "the agent's state cannot be written", text);
  if (isError(error, "agent.not-applied")) return failure(failureCode.tryAgainLater, text);
  if (isError(error, "ipam.not-ready") || isError(error, "ipam.store"))
    return failure(failureCode.tryAgainLater, "addresses cannot be handed out now", text);
  if (error instanceof TrunklineError && error.code.startsWith("subnet."))
    return failure(failureCode.tryAgainLater, "the pod waits for its network", text);
  if (error instanceof TrunklineError && error.code.startsWith("ipam."))
    return failure(failureCode.noAddress, "no address for this pod", text);
  return failure(failureCode.internal, text);
}

function failed(what: CniFailure, version: string): AgentReply {
  return { exitCode: 1, stdout: failureText(what, version) };
}
