import { expect, it } from "vitest";
import { cluster, pod, policy } from "../cluster.suite.ts";
import { type Counters, effectiveRules, effectiveText } from "./effective.ts";

const facts = cluster(
  policy("a", {
    podSelector: {},
    policyTypes: ["Ingress"],
    ingress: [
      {
        from: [{ podSelector: { matchLabels: { app: "api" } } }, { namespaceSelector: {} }],
        ports: [{ port: "http" }],
      },
      {
        from: [{ ipBlock: { cidr: "172.17.0.0/16", except: ["172.17.1.0/24"] } }],
        ports: [{ port: 80, endPort: 90 }],
      },
    ],
  }),
  policy("b", { podSelector: { matchLabels: { app: "web" } }, policyTypes: ["Egress"] }),
  policy("c", { podSelector: { matchLabels: { app: "api" } } }),
  policy("elsewhere", { podSelector: {} }, "other"),
);

it("lists every rule that holds for a pod, with its policy", async () => {
  const asked: unknown[] = [];
  const counters: Counters = (direction, { addresses, ranges }) => {
    asked.push([direction, addresses, ranges.map(({ first, last }) => `${last - first + 1n}`)]);
    return { packets: 7, bytes: 420, ...(ranges.length > 0 && { pods: 3 }) };
  };
  const rules = effectiveRules(facts, facts.pods.get("default/web")!, counters);
  expect(asked).toEqual([
    ["ingress", ["10.1.0.1", "10.1.0.2", "10.1.0.65"], []],
    ["ingress", [], ["256", `${65_536 - 512}`]],
  ]);
  expect(rules.ingress.policies).toEqual(["default/a"]);
  expect(rules.ingress.rules.map((rule) => rule.pods)).toEqual([3, 0]);
  expect(rules.egress).toEqual({ isolated: true, policies: ["default/b"], rules: [] });
  await expect(effectiveText(rules)).toMatchFileSnapshot("../golden/policy-show.txt");
});

it("says where no policy holds at all", () => {
  const agent = pod("agent", "192.168.18.3", "n1", { hostNetwork: true });
  expect(effectiveRules(facts, agent)).toMatchObject({
    ingress: { isolated: false },
    egress: { isolated: false },
  });
  expect(effectiveText(effectiveRules(facts, agent))).toContain("hostNetwork");
});

it("lists a policy that cannot be read as it is enforced: it isolates, and none of its rules opens anything", () => {
  const podSelector = { matchExpressions: [{ key: "app", operator: "Near" as "In" }] };
  const odd = cluster(
    policy("odd", { podSelector, ingress: [{}] }),
    policy("typed", { podSelector: {}, policyTypes: ["Ingress", "Egres" as "Egress"], ingress: [{}] }),
  );
  const { ingress, egress } = effectiveRules(odd, odd.pods.get("default/web")!);
  expect(ingress).toMatchObject({
    policies: ["default/odd", "default/typed"],
    rules: [{ policy: "default/typed", peers: ["anyone"] }],
  });
  expect(ingress.invalid).toEqual([
    expect.stringContaining("default/odd: 'Near' is not an operator"),
    expect.stringContaining("default/typed: 'Egres' is not"),
  ]);
  expect(egress).toMatchObject({ isolated: true, policies: ["default/typed"], rules: [] });
});
