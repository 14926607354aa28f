// The hammer: nodes as processes that share one store, random additions and deletions of pods, and everything that can
// go wrong at any instant: SIGKILL, lost disks, nodes that are removed and come back, a store that stops. It knows which
// pod has which address from the answers alone.
import { ipPoolKind } from "../../src/api/kinds/ip-pool.ts";
import { IpamCollector } from "../../src/controller/ipam-gc.ts";
import { End } from "./hammer/end.ts";
import { Ground, graceMs, poolSize } from "./hammer/ground.ts";
import { Mischief } from "./hammer/mischief.ts";
import type { HammerOptions, HammerReport } from "./hammer/options.ts";
import { PodWork } from "./hammer/pod-work.ts";

export class Hammer {
  readonly #ground: Ground;
  readonly #collector: IpamCollector;

  /** `library`: the disk that fails, see faulty-disk.ts. */
  constructor(options: HammerOptions, library: string) {
    this.#ground = new Ground(options, library);
    this.#collector = new IpamCollector({ store: this.#ground.store, graceMs, intervalMs: 200 });
  }

  async run(): Promise<HammerReport> {
    const ground = this.#ground;
    const pods = new PodWork(ground);
    const end = new End(ground, pods);
    try {
      await this.#begin();
      await Promise.all([
        ...Array.from({ length: ground.options.workers ?? 16 }, () => pods.work()),
        new Mischief(ground).work(),
      ]);
      await end.calm();
      const findings = await end.findings();
      const drained = ground.whole ? await end.drain() : poolSize;
      const leftovers = ground.members.flatMap(({ member }) => member.leftovers());
      const { counts, violations } = ground;
      return { counts, violations, findings, drained, poolSize, leftovers };
    } finally {
      await this.#collector.close();
      await Promise.all(ground.members.map(({ member }) => member.end()));
      await ground.store.close();
    }
  }

  async #begin(): Promise<void> {
    await this.#ground.store.create(ipPoolKind, {
      apiVersion: ipPoolKind.apiVersion,
      kind: "IPPool",
      metadata: { name: this.#ground.pool.name },
      spec: { cidr: this.#ground.pool.cidr, blockSize: this.#ground.pool.blockSize },
    });
    for (const member of this.#ground.members) {
      await this.#ground.createNode(member);
      this.#ground.boot(member);
    }
    this.#collector.start();
  }
}
