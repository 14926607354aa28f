// Packets on request. Whoever asks has named both ends; the lab checks them again.
import { TrunklineError } from "../../base/errors.ts";
import type { ProbeResult } from "../api.ts";
import type { Sources } from "../sources.ts";

/** @throws TrunklineError `ui.body`, `ui.no-probe`, and what the lab throws */
export async function probeAnswer(sources: Sources, body: unknown): Promise<ProbeResult> {
  const { probe } = sources.about;
  if (probe !== true) throw new TrunklineError("ui.no-probe", { why: probe });
  const given = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  const namespace = textIn(given, "namespace", true);
  return sources.probe({
    from: textIn(given, "from") ?? "",
    to: textIn(given, "to") ?? "",
    ...(namespace !== undefined && { namespace }),
  });
}

function textIn(body: Record<string, unknown>, name: string, isOptional = false): string | undefined {
  const value = body[name];
  if (value === undefined && isOptional) return undefined;
  if (typeof value === "string" && value !== "" && value.length <= 512) return value;
  throw new TrunklineError("ui.body", { why: `'${name}' is not a name` });
}
