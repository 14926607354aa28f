// What service accounts have done at the API server, by its audit log, beside what they may do.
import { expect } from "vitest";
import type { Rule } from "../../src/cli/deploy/rights.ts";
import { type Audited, auditLog } from "./audit-log.ts";
import { eventually, type KubeBed } from "./bed.ts";

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
  return auditLog(bed.server.folder);
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
