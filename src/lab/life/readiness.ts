// Whether an agent serves, asked at its health socket as a kubelet would.
import { textOf } from "../../base/errors.ts";
import { askLocal } from "../../base/http.ts";

/** Returns what keeps an agent from serving, in words; undefined: nothing does. `patienceMs`: how long it is waited for. */
export async function whyNotReady(socketPath: string, patienceMs: number): Promise<string | undefined> {
  try {
    const { status, text } = await askLocal({ socketPath, path: "/readyz", patienceMs });
    return status === 200 ? undefined : `its agent is not ready: ${text.trim().replaceAll("\n", "; ")}`;
  } catch (error) {
    return `its agent does not answer: ${textOf(error)}`;
  }
}
