// What service accounts have done at the API server, by its audit log, beside what they may do.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect } from "vitest";
import type { Rule } from "../../src/cli/deploy/rights.ts";
import { eventually, type KubeBed } from "./bed.ts";

export interface Audited {
  readonly verb: string;
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

/** Returns what is installed with these settings, once the API server can take it. */
export async function manifestsOf(bed: KubeBed, ...settings: string[]): Promise<string> {
  await eventually(async () =>
    (await bed.kubectl(["get", "namespace", "kube-system"])).code === 0 ? true : undefined,
  );
  const words = settings.flatMap((one) => ["--set", one]);
  const { code, stdout, stderr } = await bed.trunkline(["manifests", ...words]);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

/** All that service accounts have asked for. */
export function audited(bed: KubeBed): readonly Audited[] {
  return readFileSync(path.join(bed.server.folder, "audit.log"), "utf8")
    .split("\n")
    .flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Audited]));
}

const nameOf = ({ verb, objectRef }: Audited) =>
  `${verb} ${objectRef?.apiGroup ?? ""}/${objectRef?.resource}${objectRef?.subresource ? `/${objectRef.subresource}` : ""}`;

function granted(rules: readonly Rule[]): string[] {
  return rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource}`)),
    ),
  );
}

/** Expects an account to have used every right that it has, and to have been refused nothing. */
export function compareRights(log: readonly Audited[], account: string, rules: readonly Rule[]): void {
  const refused = new Set(
    of(log, account)
      .filter(({ responseStatus }) => responseStatus?.code === 403)
      .map(nameOf),
  );
  // Passwords are read only where a setting allows it.
  for (const verb of ["list", "watch"]) refused.delete(`${verb} /secrets`);
  expect([...refused], `${account} is refused`).toEqual([]);
  const used = new Set(
    of(log, account)
      .filter(({ objectRef }) => objectRef?.resource)
      .map(nameOf),
  );
  expect(
    // A list may be asked for as a watch's beginning.
    granted(rules).filter((right) => !used.has(right) && !used.has(right.replace(/^watch /, "list "))),
    `${account} never uses`,
  ).toEqual([]);
}

function of(log: readonly Audited[], account: string): readonly Audited[] {
  return log.filter(({ user }) => user.username === `system:serviceaccount:kube-system:${account}`);
}
