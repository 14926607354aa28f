// The lab's cloud from another process: each method is one request at the door of the lab's process.
import { type ErrorCode, TrunklineError } from "../../base/errors.ts";
import { askLocal } from "../../base/http.ts";
import { catalog } from "../../base/messages/index.ts";
import type { CloudProvider } from "../provider.ts";

export interface CloudCallBody {
  /** `agent/NODE` or `controller`. */
  readonly caller: string;
  readonly method: keyof CloudProvider;
  readonly args: readonly unknown[];
}

const methods: readonly (keyof CloudProvider)[] = [
  "describeSubnets",
  "describeSecurityGroups",
  "describeInterfaces",
  "describeInstance",
  "createInterface",
  "attachInterface",
  "detachInterface",
  "deleteInterface",
  "assignAddresses",
  "unassignAddresses",
];

/** Carries out a request that came in at the door. @throws `cloud.…` */
export async function callCloud(
  provider: CloudProvider,
  method: keyof CloudProvider,
  args: readonly unknown[],
): Promise<unknown> {
  if (!methods.includes(method))
    throw new TrunklineError("cloud.no-answer", { call: method, why: "no such call" });
  const call = provider[method] as (...given: readonly unknown[]) => Promise<unknown>;
  return { answer: (await call(...args)) ?? null };
}

/** Returns the lab's provider behind a control socket. */
export function remoteCloud(socketPath: string, caller: string): CloudProvider {
  const remote =
    (method: keyof CloudProvider) =>
    (...args: unknown[]) =>
      post(socketPath, { caller, method, args });
  return Object.fromEntries(methods.map((method) => [method, remote(method)])) as unknown as CloudProvider;
}

async function post(socketPath: string, body: CloudCallBody): Promise<unknown> {
  const call = { socketPath, path: "/cloud", body: JSON.stringify(body) };
  const { status, text } = await askLocal(call).catch((error: unknown) => {
    throw new TrunklineError(
      "cloud.no-answer",
      { call: body.method, why: (error as Error).message },
      { cause: error },
    );
  });
  const answer = JSON.parse(text) as { answer?: unknown; code?: string; data?: unknown; message?: string };
  if (status === 200) return answer.answer ?? undefined;
  if (answer.code !== undefined && Object.hasOwn(catalog, answer.code))
    throw new TrunklineError(answer.code as ErrorCode, answer.data as never);
  throw new TrunklineError("cloud.no-answer", {
    call: body.method,
    why: answer.message ?? `status ${status}`,
  });
}
