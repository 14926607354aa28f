// Pods of a bench: made, watched and deleted.
import type { KubeObject } from "../../../src/api/object.ts";
import { waitingPod } from "../../../test/cluster/pods.ts";
import { type Api, now } from "./api.ts";

export interface PodObject extends KubeObject {
  readonly status: { readonly phase?: string; readonly podIP?: string };
}

const namespace = "/api/v1/namespaces/default";

/** All pods of the default namespace, as the API tells them. */
export class Pods {
  readonly #api: Api;
  readonly #waiting = new Map<string, (at: number, pod: PodObject) => void>();
  #stop = () => {};

  private constructor(api: Api) {
    this.#api = api;
  }

  static async watch(api: Api): Promise<Pods> {
    const pods = new Pods(api);
    pods.#stop = await api.watch<PodObject>(`${namespace}/pods`, ({ type, object }) => {
      const at = now();
      const { name } = object.metadata;
      if (type === "DELETED") pods.#note(`${name} is gone`, at, object);
      else if (object.status.phase === "Running") pods.#note(`${name} runs`, at, object);
    });
    return pods;
  }

  /** Makes a pod; settles when the API shows it as Running, with the milliseconds since it was asked for. */
  async run(
    name: string,
    node: string,
    labels: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly ms: number; readonly pod: PodObject }> {
    const running = this.#happens(`${name} runs`);
    const { sent } = await this.#api.create(`${namespace}/pods`, waitingPod(name, { node, labels }));
    const { at, pod } = await running;
    return { ms: at - sent, pod };
  }

  /** Deletes a pod; settles when its kubelet has ended it and it is gone from the API. */
  async remove(name: string): Promise<void> {
    const gone = this.#happens(`${name} is gone`);
    await this.#api.delete(`${namespace}/pods/${name}?gracePeriodSeconds=1`);
    await gone;
  }

  end(): void {
    this.#stop();
  }

  #happens(what: string): Promise<{ at: number; pod: PodObject }> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`not within three minutes: ${what}`)), 180_000);
      this.#waiting.set(what, (at, pod) => {
        clearTimeout(late);
        resolve({ at, pod });
      });
    });
  }

  #note(what: string, at: number, pod: PodObject): void {
    const told = this.#waiting.get(what);
    this.#waiting.delete(what);
    told?.(at, pod);
  }
}
