// What tests of routing share: a lab's commands, objects in few words, and flows that go on while something is changed.
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { SessionReport } from "../../../src/plan/routing/bird/report.ts";
import { Commands } from "../../e2e/trunkline.ts";

export const calico = (kind: string, name: string, spec: string) =>
  `---\napiVersion: crd.projectcalico.org/v1\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}\n`;

export const routing = (spec: string) =>
  `---\napiVersion: trunkline.dev/v1alpha1\nkind: RoutingConfiguration\nmetadata: {name: default}\nspec: ${spec}\n`;

/** A pod that answers on 80/tcp and, for flows, on 81/udp. */
export const pod = (name: string, node: string) => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec: {nodeName: ${node}, containers: [{name: c, ports: [{containerPort: 80}, {containerPort: 81, protocol: UDP}]}]}
`;

export interface RoutingAnswer {
  readonly sessions: readonly SessionReport[];
  readonly ripNeighbours: readonly { readonly node: string; readonly address: string }[];
  readonly findings: readonly { readonly code: string; readonly object: string; readonly message: string }[];
}

export interface RouteRow {
  readonly prefix: string;
  readonly announcedBy: string;
  readonly via: string | null;
  readonly through: string;
  readonly peer: string | null;
  readonly accepted: boolean;
  readonly outside: boolean;
  readonly why: string;
  readonly type?: string;
  readonly inKernel?: boolean;
}

/** What a flow of a packet a millisecond lost, and the longest time without an answer (milliseconds). */
export interface Interruption {
  readonly sent: number;
  readonly lost: number;
  readonly gapMs: number;
}

export class RoutingBed {
  readonly commands = new Commands();

  apply(text: string): Promise<string> {
    return this.commands.ask("apply", "-f", this.commands.file("more.yaml", text));
  }

  exec(member: string, ...command: string[]): Promise<string> {
    return this.commands.ask("lab", "exec", member, "--", ...command);
  }

  async routing(): Promise<RoutingAnswer> {
    const { stdout } = await this.commands.say("route", "sessions", "--lab", this.commands.lab, "-o", "json");
    return JSON.parse(stdout) as RoutingAnswer;
  }

  async sessions(): Promise<readonly SessionReport[]> {
    return (await this.routing()).sessions;
  }

  async rows(...more: string[]): Promise<readonly RouteRow[]> {
    return (await this.commands.json<{ routes: RouteRow[] }>("route", "show", ...more)).routes;
  }

  kernel(member: string): Promise<string> {
    return this.exec(member, "ip", "route");
  }

  addresses(): Promise<string> {
    return this.commands.ask("get", "pods", "-o", "jsonpath={.items[*].status.podIP}");
  }

  addressOf(pod: string): Promise<string> {
    return this.commands.ask("get", "pod", pod, "-o", "jsonpath={.status.podIP}");
  }

  async reaches(from: string, to: string): Promise<boolean> {
    return (await this.commands.json<{ reachable: boolean }>("probe", from, to)).reachable;
  }

  /** Asks until the answer is good; the last answer, good or not. */
  async until<T>(ask: () => Promise<T>, good: (value: T) => boolean, seconds = 30): Promise<T> {
    for (let left = 5 * seconds; ; left--) {
      const value = await ask();
      if (good(value) || left <= 0) return value;
      await sleep(200);
    }
  }

  /** Waits for so many sessions, all of them established. */
  async established(count: number, seconds = 60): Promise<readonly SessionReport[]> {
    const list = await this.until(
      () => this.sessions(),
      (all) => all.length === count && all.every(({ state }) => state === "Established"),
      seconds,
    );
    expect(
      list.map(({ node, peer, state, error }) => `${node} ${peer} ${state} ${error?.code ?? ""}`),
    ).toHaveLength(count);
    expect(list.filter(({ state }) => state !== "Established")).toEqual([]);
    return list;
  }

  /** Pods ask pods for echoes while `change` happens; `seconds` must be enough for it and for what follows from it. */
  async during(
    seconds: number,
    flows: Readonly<Record<string, readonly [from: string, to: string]>>,
    change: () => Promise<unknown>,
  ): Promise<Record<string, Interruption>> {
    const sender = path.resolve(import.meta.dirname, "../flow-sender.ts");
    const running = await Promise.all(
      Object.entries(flows).map(async ([name, [from, to]]) => {
        const { status } = await this.commands.json<{ status: { podIP: string } }>("get", "pod", to);
        return { name, done: this.exec(from, "node", sender, status.podIP, String(seconds)) };
      }),
    );
    // Until they have begun, which takes a Node.js a moment.
    await sleep(1500);
    await change();
    const out: Record<string, Interruption> = {};
    for (const { name, done } of running) {
      const { sent, answers, longestGapMs } = JSON.parse(await done) as {
        sent: number;
        answers: number;
        longestGapMs: number;
      };
      out[name] = { sent, lost: sent - answers, gapMs: longestGapMs };
    }
    return out;
  }
}

/** Lines for whoever reads the test's output, one a flow. */
export function told(what: string, flows: Readonly<Record<string, Interruption>>): string[] {
  return Object.entries(flows).map(
    ([name, { sent, lost, gapMs }]) =>
      `${what}, ${name}: ${lost} of ${sent} packets lost, longest time without an answer ${gapMs} ms`,
  );
}
