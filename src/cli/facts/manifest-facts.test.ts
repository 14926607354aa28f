import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { readObjects } from "./manifest-facts.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "trunkline-manifests-"));
  vi.spyOn(process.stderr, "write").mockReturnValue(true);
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

function reading(...documents: readonly string[]) {
  const file = path.join(folder, "a.yaml");
  writeFileSync(file, documents.join("---\n"));
  return readObjects([file]);
}

const pod = `apiVersion: v1
kind: Pod
metadata: {name: a}
spec: {containers: [{name: m, image: a, ports: [{containerPort: 80, hostPort: 99999}]}]}
`;
const policy = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny}
spec: {podSelector: {}, ingress: [{from: [{ipBlock: {except: [10.0.0.0/24]}}]}]}
`;

it("bears what is wrong with a pod, as its labels are there", async () => {
  expect((await reading(pod))?.map(({ kind }) => kind)).toEqual(["Pod"]);
});

it.each([
  ["before", [policy, pod]],
  ["after", [pod, policy]],
])("has no answer where a policy cannot be read, %s a pod", async (_, documents) => {
  expect(await reading(...documents)).toBeUndefined();
});
