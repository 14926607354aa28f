// Kernel = evaluator: random clusters on one node, real first packets.
import fc from "fast-check";
import type { Pod } from "../../../src/api/kinds/core.ts";
import type { ClusterFacts } from "../../../src/plan/facts.ts";
import { clusters, flows } from "../../../src/plan/policy/clusters.suite.ts";
import { compilePolicies, verdict } from "../../../src/plan/policy/index.ts";
import { traceFlow } from "../../../src/plan/trace/policy.suite.ts";
import { readListing } from "../../../src/plan/trace/table.ts";
import type { TransportName } from "../packets.ts";
import { type BedFlow, PolicyBed } from "./policy-bed.ts";

/** Pods 1 to 5 are on the node, 6 to 8 elsewhere; the rest of the addresses is outside. */
const localCount = 5;
const outside = ["172.17.0.9", "172.17.1.9", "10.1.0.9", "fd00::5000", "192.168.18.2"];

function linkOf(index: number): string {
  return index <= localCount ? `tl${index.toString(16).padStart(13, "0")}` : `ex${index}`;
}

/** A bed that fits the clusters of clusters.suite.ts. */
export function differentialBed(): PolicyBed {
  const bed = new PolicyBed(["192.168.18.1"]);
  for (let index = 1; index <= 8; index++)
    bed.plug(linkOf(index), [`10.0.0.${index}`, `fd00::${index.toString(16)}`]);
  for (const [at, ip] of outside.entries()) bed.plug(`out${at}`, [ip]);
  return bed;
}

/** Puts pods on the node by their number. A pod on the host's network has no interface of its own. */
function placed(facts: ClusterFacts): ClusterFacts {
  const pods = [...facts.pods].map(([key, pod]): [string, Pod] => {
    const local = numberOf(pod) <= localCount;
    return [key, { ...pod, spec: { ...pod.spec, nodeName: local ? "n1" : "n2" } }];
  });
  return { ...facts, pods: new Map(pods) };
}

function numberOf(pod: Pod): number {
  return Number(pod.metadata.name.slice(3));
}

/** Returns how many flows were compared and how many of them got through. */
export async function compareKernel(bed: PolicyBed, clusterCount: number, flowsEach: number, seed: number) {
  const seen = { flows: 0, allowed: 0 };
  await fc.assert(
    fc.asyncProperty(
      clusters,
      fc.array(flows, { minLength: flowsEach, maxLength: flowsEach }),
      async (cluster, list) => {
        const facts = placed(cluster);
        bed.facts = facts;
        bed.endpoints.clear();
        const ended = new Set<string>();
        const local = new Set<string>();
        for (let index = 1; index <= localCount; index++)
          for (const ip of bed.end(`10.0.0.${index}`)?.ips ?? []) ended.add(ip);
        for (const [key, pod] of facts.pods) {
          if (numberOf(pod) > localCount || pod.spec.hostNetwork === true) continue;
          const ips = pod.status?.podIPs?.map((one) => one.ip) ?? [];
          bed.endpoints.set(key, { pod: key, uid: pod.metadata.uid, interface: linkOf(numberOf(pod)), ips });
          if (pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed") continue;
          for (const ip of ips) {
            ended.delete(ip);
            local.add(ip);
          }
        }
        await bed.apply();
        const program = compilePolicies(facts);
        const sent: BedFlow[] = [];
        for (const flow of list) {
          const { fromIp: from, toIp: to, protocol, port } = flow;
          if (protocol === "ICMP" || from === to || from.includes(":") !== to.includes(":")) continue;
          if (bed.end(from) === undefined || bed.end(to) === undefined) continue;
          sent.push({ from, to, protocol: protocol as TransportName, port });
        }
        // The third reader: what the kernel says that it has, walked by the tracer.
        const table = readListing((await bed.node.nft.text("list table inet trunkline")) ?? "");
        const node = {
          podLink: (ip: string) => {
            const link = bed.end(ip)?.link;
            return link?.startsWith("tl") ? link : undefined;
          },
          isOwn: (ip: string) => bed.addresses.includes(ip),
        };
        const arrived = await bed.send(sent);
        for (const [at, flow] of sent.entries()) {
          const { from, to, protocol, port } = flow;
          const found = verdict(program, { from: { ip: from }, to: { ip: to }, protocol, port });
          // An interface whose pod is not known, or has ended, passes nothing; other nodes' ends are not judged here.
          const expected =
            !ended.has(from) &&
            !ended.has(to) &&
            (!local.has(from) || found.egress.allowed) &&
            (!local.has(to) || found.ingress.allowed);
          seen.flows++;
          if (arrived[at] === true) seen.allowed++;
          const traced = traceFlow(table, { fromIp: from, toIp: to, protocol, port }, node);
          if (arrived[at] !== expected || arrived[at] !== (traced.verdict === "accept"))
            throw new TypeError(
              `${JSON.stringify(flow)}: arrived ${arrived[at]}, evaluator ${JSON.stringify(found)}, tracer ${JSON.stringify(traced)}`,
            );
        }
      },
    ),
    { numRuns: clusterCount, seed, endOnFailure: true },
  );
  return seen;
}
