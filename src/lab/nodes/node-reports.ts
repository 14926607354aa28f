// What a kubelet would say on the objects of a lab's nodes: whether they serve pods.
import { textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Store } from "../../store/store.ts";
import { completeNode, nodeFor, reportNode } from "../cluster.ts";
import type { LabFile } from "../file/lab-file.ts";

export class NodeReports {
  readonly #store: Store;
  readonly #logger: Logger;
  readonly #lab: () => LabFile;
  /** Whether a node's agent serves, by the node's name. */
  readonly #serving = new Map<string, boolean>();

  /** @param lab what the lab is made of now */
  constructor(store: Store, logger: Logger, lab: () => LabFile) {
    this.#store = store;
    this.#logger = logger;
    this.#lab = lab;
  }

  /** The node's agent serves for the first time; settles when that is written. @throws `store.…` */
  async began(name: string): Promise<void> {
    this.#serving.set(name, true);
    await reportNode(this.#store, name, true, "the node's agent serves");
  }

  changed(name: string, serves: boolean): void {
    this.#serving.set(name, serves);
    this.#tell(name, () => Promise.resolve());
  }

  /** A Node that was deleted and is there again is registered as a kubelet would do it. */
  appeared(name: string): void {
    const lab = this.#lab();
    const node = lab.nodes.find((one) => one.name === name);
    if (node && this.#serving.has(name))
      this.#tell(name, () => completeNode(this.#store, nodeFor(node, lab)));
  }

  forget(name: string): void {
    this.#serving.delete(name);
  }

  #tell(name: string, before: () => Promise<void>): void {
    const serves = this.#serving.get(name) ?? false;
    const message = serves ? "the node's agent serves" : "the node's agent has ended";
    const told = before().then(() => reportNode(this.#store, name, serves, message));
    told.catch((error: unknown) =>
      this.#logger.error({ node: name, error: textOf(error) }, "the node's state could not be written"),
    );
  }
}
