// Asking a running lab.
import { type ErrorCode, TrunklineError } from "../../base/errors.ts";
import { askLocal } from "../../base/http.ts";
import { catalog } from "../../base/messages/index.ts";
import type { LabEntry } from "../life/state.ts";
import type { WireError } from "./server.ts";

/**
 * Asks the lab's process and returns its answer; waits at most `timeoutMs` where given.
 * @throws the lab's own TrunklineError, `lab.control` where the process does not answer
 */
export async function askLab<T>(
  { record, paths }: LabEntry,
  name: string,
  body: unknown = {},
  timeoutMs?: number,
): Promise<T> {
  const signal = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
  const call = { socketPath: paths.control, path: `/${name}`, body: JSON.stringify(body), signal };
  const { status, text } = await askLocal(call).catch((error: unknown) => {
    throw new TrunklineError(
      "lab.control",
      { name: record.name, why: (error as Error).message },
      { cause: error },
    );
  });
  const answer = JSON.parse(text) as T & WireError;
  if (status === 200) return answer;
  throw errorOf(record.name, answer);
}

/** Returns the error that a lab has answered with. */
export function errorOf(name: string, { code, data, message }: WireError): TrunklineError {
  if (code !== undefined && Object.hasOwn(catalog, code))
    return new TrunklineError(code as ErrorCode, data as never);
  return new TrunklineError("lab.control", { name, why: message });
}
