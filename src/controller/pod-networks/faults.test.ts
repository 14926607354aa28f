// Whoever makes the calls may be killed before or after any of them, lose answers or get half of what was asked for: in the
// end, and once what a dying controller still asked for is collected, there is one interface for each pod, none for the
// others, and no address twice.
import { setTimeout as pause } from "node:timers/promises";
import fc from "fast-check";
import { expect, it } from "vitest";
import { podEniKind } from "../../api/kinds/pod-eni.ts";
import type { CloudCall } from "../../cloud/provider.ts";
import { SmallCluster } from "./small-cluster.suite.ts";

const calls: readonly (CloudCall | "*")[] = [
  "CreateNetworkInterface",
  "AttachNetworkInterface",
  "DetachNetworkInterface",
  "DeleteNetworkInterface",
  "DescribeNetworkInterfaces",
  "DescribeVSwitches",
];
const effects = ["throttle", "error:InternalError", "kill-before", "kill-after", "half"];
const steps = ["come", "go", "move", "fault", "wait"] as const;

const act = fc.record({
  step: fc.constantFrom(...steps),
  pod: fc.constantFrom("p", "q"),
  node: fc.constantFrom("n1", "n2"),
  call: fc.constantFrom(...calls),
  effect: fc.constantFrom(...effects),
});

it.each([false, true])(
  "ends well whatever happens to the controller and its calls (trunk: %s)",
  async (trunking) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(act, { minLength: 3, maxLength: 10 }),
        fc.boolean(),
        async (acts, isFixed) => {
          const cluster = await new SmallCluster().open(trunking);
          try {
            const never = { type: "Fixed", releaseStrategy: "Never" } as const;
            await cluster.network("net", isFixed ? { allocationType: never } : {});
            const there = new Map<string, string>();
            const first = new Map<string, string>();
            for (const { step, pod, node, call, effect } of acts) {
              if (step === "fault") cluster.state.faults.push({ call, effect, left: 1 });
              if (step === "wait") await pause(20);
              if ((step === "go" || step === "move") && there.delete(pod)) await cluster.gone(pod);
              if ((step === "come" || step === "move") && !there.has(pod)) {
                await cluster.pod(pod, node);
                there.set(pod, node);
              }
              await pause(3);
              const address = (await cluster.podEni(pod))?.spec.allocations?.[0]?.ipv4;
              if (address !== undefined && !first.has(pod)) first.set(pod, address);
            }
            await cluster.calm();
            for (const [pod, node] of there) {
              const bound = await cluster.podEni(pod);
              expect([bound?.status?.phase, bound?.status?.instanceID]).toEqual(["Bind", `i-${node}`]);
              if (isFixed && first.has(pod)) expect(bound?.spec.allocations?.[0]?.ipv4).toBe(first.get(pod));
            }
            // An address may also have come after the last look, with the pod on its way out.
            const known = (await cluster.store.list(podEniKind)).items
              .filter(({ spec }) => spec.allocations?.[0]?.ipv4 !== undefined)
              .map(({ metadata }) => metadata.name);
            const held = isFixed ? [...first.keys(), ...there.keys(), ...known] : [...there.keys()];
            const own = () => cluster.ours().filter(({ type }) => type !== "Trunk");
            await cluster.collect(() => own().length <= new Set(held).size);
            expect(own().length).toBe(new Set(held).size);
            const addresses = cluster.ours().flatMap((one) => one.addresses);
            expect(new Set(addresses).size).toBe(addresses.length);
            expect(cluster.ours().filter(({ type }) => type === "Trunk").length).toBeLessThanOrEqual(2);
          } finally {
            await cluster.close();
          }
        },
      ),
      { numRuns: 10, endOnFailure: true },
    );
  },
  120_000,
);
