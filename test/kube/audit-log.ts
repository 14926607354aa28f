// The API server's audit log: what service accounts have asked it for.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

export interface Audited {
  readonly verb: string;
  readonly stage?: string;
  readonly user: { readonly username: string };
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly resource?: string;
    readonly subresource?: string;
  };
  readonly responseStatus?: { readonly code?: number };
  readonly requestURI: string;
}

/** The API server's arguments that make it write the log. */
export function auditArguments(folder: string): readonly string[] {
  const policy = path.join(folder, "audit.yaml");
  writeFileSync(
    policy,
    JSON.stringify({
      apiVersion: "audit.k8s.io/v1",
      kind: "Policy",
      omitStages: ["RequestReceived"],
      rules: [{ level: "Metadata", userGroups: ["system:serviceaccounts"] }, { level: "None" }],
    }),
  );
  return [`--audit-policy-file=${policy}`, `--audit-log-path=${path.join(folder, "audit.log")}`];
}

/** All that service accounts have asked for, as the log of that folder has it. */
export function auditLog(folder: string): readonly Audited[] {
  return readFileSync(path.join(folder, "audit.log"), "utf8")
    .split("\n")
    .flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Audited]));
}
