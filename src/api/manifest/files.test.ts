import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatProblem } from "../../base/problem.ts";
import { readManifests } from "./files.ts";

const lab =
  "# three nodes\nname: l\nnetworks: [{name: n, cidr: 10.0.0.0/24}]\nnodes: [{name: a, address: 10.0.0.1}]\n";
const object = "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n";

describe("a lab file beside manifests", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync("/tmp/tl-manifests-");
    writeFileSync(path.join(folder, "lab.yaml"), lab);
    writeFileSync(path.join(folder, "objects.yaml"), object);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("is passed over with a note where it lies in the folder", async () => {
    rmSync(path.join(folder, "mixed.yml"), { force: true });
    const read = await readManifests([folder]);
    expect(read.objects.map((one) => one.object.metadata.name)).toEqual(["x"]);
    expect([read.errors, read.warnings]).toEqual([[], []]);
    expect(read.notes.map(formatProblem)).toEqual([
      `${folder}/lab.yaml:2:1: this is a lab file, which holds no objects: passed over`,
    ]);
  });

  it("is an error where it is named itself, which says what to do with it", async () => {
    const file = path.join(folder, "lab.yaml");
    const read = await readManifests([file]);
    expect(read.notes).toEqual([]);
    expect(read.errors.map((one) => [one.code, one.hint])).toEqual([
      ["manifest.lab-file", `Start the lab with 'trunkline lab up ${file}', and name its manifests here`],
    ]);
  });

  it("is an error where it is only a part of a file", async () => {
    writeFileSync(path.join(folder, "mixed.yml"), `${lab}---\n${object}`);
    const read = await readManifests([folder]);
    expect(read.errors.map((one) => one.position?.file)).toEqual([`${folder}/mixed.yml`]);
  });
});

describe("what is no plain file", () => {
  it("is read where it ends, such as the pipe of `<(…)`", async () => {
    const read = await readManifests(["/dev/null"]);
    expect([read.objects, read.errors]).toEqual([[], []]);
  });

  it("is refused where it never ends", async () => {
    await expect(readManifests(["/dev/zero"])).rejects.toMatchObject({ code: "api.file" });
  });
});
