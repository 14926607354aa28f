// What every implementation of Machine does alike. Run by the fake one as a unit test, by the real one as root.
import { afterEach, beforeEach, describe } from "vitest";
import type { Kernel, Machine } from "./kernel.ts";
import {
  addressTests,
  featureTests,
  neighbourTests,
  ruleTests,
  sysctlTests,
} from "./suite/addressing.suite.ts";
import { changeTests } from "./suite/changes.suite.ts";
import { eventTests } from "./suite/events.suite.ts";
import { linkTests, namespaceTests } from "./suite/links.suite.ts";
import { nftTests } from "./suite/nft.suite.ts";
import { rateLimitTests } from "./suite/rate-limits.suite.ts";
import { routeTests } from "./suite/routes.suite.ts";
import type { Scene } from "./suite/scene.suite.ts";

/** Runs the suite; `prefix` begins the names of the namespaces that it makes. */
export function kernelSuite(title: string, makeMachine: () => Machine, prefix: string): void {
  let names: string[] = [];
  let handles: Kernel[] = [];
  let made = 0;
  let machine: Machine;
  const scene: Scene = {
    get machine() {
      return machine;
    },
    netns: (mark) => {
      const name = `${prefix}${++made}`;
      machine.createNetns(name, mark);
      names.push(name);
      return name;
    },
    open: (name) => {
      const handle = machine.open({ name });
      handles.push(handle);
      return handle;
    },
  };

  describe(title, () => {
    beforeEach(() => {
      machine = makeMachine();
    });
    afterEach(async () => {
      for (const handle of handles) handle.close();
      await Promise.all(names.map((name) => machine.removeNetns(name)));
      handles = [];
      names = [];
    });
    describe("namespaces", () => namespaceTests(scene));
    describe("links", () => linkTests(scene));
    describe("addresses", () => addressTests(scene));
    describe("routes", () => routeTests(scene));
    describe("changes on another thread", () => changeTests(scene));
    describe("rules", () => ruleTests(scene));
    describe("neighbours", () => neighbourTests(scene));
    describe("rate limits", () => rateLimitTests(scene));
    describe("features", () => featureTests(scene));
    describe("sysctl", () => sysctlTests(scene));
    describe("nft", () => nftTests(scene));
    describe("events", () => eventTests(scene));
  });
}
