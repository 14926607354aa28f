// The hammer's work: random additions and deletions of pods.
import { setTimeout as sleep } from "node:timers/promises";
import { podKind } from "../../../src/api/kinds/core.ts";
import { isError } from "../../../src/base/errors.ts";
import type { HeldAddress } from "../../../src/ipam/types.ts";
import { NoAnswer } from "../member.ts";
import { codeOf, type Ground, type Place, type Pod, poolSize } from "./ground.ts";

export class PodWork {
  readonly #ground: Ground;
  #podNumber = 0;

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  /** Adds and deletes pods until enough was done. How full the pool is swings between nearly empty and too full. */
  async work(): Promise<void> {
    while (!this.#ground.over) {
      // A node that is not registered refuses everything: few are asked all the same.
      const member = this.#ground.pick(this.#ground.members.filter((one) => !one.removed));
      if (!member || (!member.registered && this.#ground.random() < 0.95)) {
        await sleep(2);
        continue;
      }
      const wave = Math.sin((this.#ground.done / this.#ground.options.operations) * 40 * Math.PI);
      const [least, most] = this.#ground.options.pods ?? [2, 142];
      const wanted = (least + most) / 2 + ((most - least) / 2) * wave;
      const idle = [...member.pods.values()].filter((pod) => !pod.busy);
      const add = this.#ground.live.size < wanted ? this.#ground.random() < 0.7 : this.#ground.random() < 0.3;
      const old = this.#ground.pick(idle);
      if (add || !old) await this.#add(member, this.#ground.random() < 0.1 ? old : undefined);
      else await this.delete(member, old);
    }
  }

  async #add(member: Place, again: Pod | undefined): Promise<void> {
    const pod = again ?? this.#newPod(member);
    pod.busy = true;
    this.#ground.done++;
    const exact =
      again || this.#ground.random() > 0.02
        ? {}
        : { address: `10.1.0.${Math.floor(this.#ground.random() * poolSize)}` };
    try {
      if (!again) await this.#createPod(member, pod);
      const [got] = (await member.member.order({ op: "add", owner: pod.owner, ...exact })) as HeldAddress[];
      const address = got?.address;
      // The node was removed while the answer was on its way: the pod is dead.
      if (address === undefined || member.pods.get(pod.name) !== pod) return;
      this.#ground.count(again ? "repeated additions" : "additions");
      if (got?.loan !== undefined) this.#ground.count("of them borrowed");
      this.#arrived(pod, address);
      await this.#publish(pod);
    } catch (error) {
      this.#ground.note(
        `${pod.name} addition failed: ${error instanceof NoAnswer ? "no answer" : codeOf(error)}`,
      );
      this.#ground.count(
        error instanceof NoAnswer ? "unanswered additions" : `additions refused: ${codeOf(error)}`,
      );
      // Refused outright: the runtime deletes it. Without an answer it stays, to be added again or deleted later.
      if (!(error instanceof NoAnswer) && pod.address === undefined) await this.#remove(member, pod);
      // The runtime would back off as well.
      await sleep(error instanceof NoAnswer ? 20 : 10);
    } finally {
      pod.busy = false;
    }
  }

  #newPod(member: Place): Pod {
    const name = `p${this.#podNumber++}`;
    const owner = { containerId: `c-${name}`, ifName: "eth0", pod: `default/${name}`, uid: `uid-${name}` };
    const pod: Pod = { owner, name, busy: true };
    this.#ground.note(`${name} wanted at ${member.name}`);
    member.pods.set(name, pod);
    return pod;
  }

  #arrived(pod: Pod, address: string): void {
    const other = this.#ground.live.get(address);
    this.#ground.note(`${pod.name} arrived ${address}`);
    if (other && other !== pod)
      this.#ground.violations.push(`${address} of ${other.name} was given to ${pod.name} as well`);
    if (pod.address !== undefined && pod.address !== address)
      this.#ground.violations.push(`${pod.name} had ${pod.address} and is now given ${address}`);
    if (this.#ground.violations.length > 0) this.#ground.keep();
    pod.address = address;
    this.#ground.live.set(address, pod);
  }

  async #createPod(member: Place, pod: Pod): Promise<void> {
    await this.#ground.store.create(podKind, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: pod.name, namespace: "default" },
      spec: { containers: [], nodeName: member.name },
    });
  }

  async #publish(pod: Pod): Promise<void> {
    const object = await this.#ground.store.get(podKind, pod.name, "default");
    if (!object || pod.address === undefined) return;
    try {
      await this.#ground.store.update(podKind, {
        ...object,
        status: { phase: "Running", podIP: pod.address },
      });
    } catch (error) {
      // Its node was removed between the two calls, and the pod with it.
      if (!isError(error, "store.not-found")) throw error;
    }
  }

  async delete(member: Place, pod: Pod): Promise<void> {
    pod.busy = true;
    try {
      await this.#remove(member, pod);
    } finally {
      pod.busy = false;
    }
  }

  /** For who has the pod already, as runtimes do one thing at a time to a pod. */
  async #remove(member: Place, pod: Pod): Promise<void> {
    this.#ground.done++;
    this.#ground.note(`${pod.name} leaves ${pod.address} at ${member.name}`);
    // The pod's processes are gone before its network is taken down.
    if (pod.address !== undefined) this.#ground.live.delete(pod.address);
    delete pod.address;
    try {
      await member.member.order({ op: "delete", owner: pod.owner });
      this.#ground.count("deletions");
      this.#ground.note(`${pod.name} deleted`);
      member.pods.delete(pod.name);
      await this.#ground.store.delete(podKind, pod.name, "default");
    } catch (error) {
      this.#ground.note(
        `${pod.name} deletion failed: ${error instanceof NoAnswer ? "no answer" : codeOf(error)}`,
      );
      // To be deleted again later; some are forgotten instead, and are the collection's to find.
      this.#ground.count(
        error instanceof NoAnswer ? "unanswered deletions" : `deletions refused: ${codeOf(error)}`,
      );
      if (this.#ground.random() < 0.3) {
        member.pods.delete(pod.name);
        await this.#ground.store.delete(podKind, pod.name, "default");
      }
      if (error instanceof NoAnswer) await sleep(20);
    }
  }
}
