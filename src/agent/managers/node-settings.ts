// The node's own settings without which no pod's packet is forwarded. Others set them, too (a VPN that is shut down, a
// sysctl.d file that is read again), so they are looked at whenever the kernel tells of a change; those of which it tells
// nothing every second, and all of them now and then.
import { textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { hasIpv6 } from "../../kernel/ipv6.ts";
import type { Kernel } from "../../kernel/kernel.ts";

const ON = "1";

export class NodeSettings {
  readonly #kernel: Kernel;
  readonly #logger: Logger;
  readonly #onMended: () => void;
  #fault: string | undefined;
  /** As it was the last time. */
  #uplink: string | undefined;
  /** Those that were right once: what differs now, somebody else has changed. */
  readonly #begun = new Set<string>();

  /** @param onMended told of every setting that somebody else had changed */
  constructor(kernel: Kernel, logger: Logger, onMended: () => void) {
    this.#kernel = kernel;
    this.#logger = logger;
    this.#onMended = onMended;
  }

  /** Why a setting is not as it must be; undefined when all are. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /**
   * Makes the settings what they must be.
   * @param which all of them, or only those of whose changes the kernel does not tell
   * @param uplink the link that holds the node's address; undefined while that is not known
   * @param ipv6Pods whether a pod here has an IPv6 address
   */
  mend(which: "all" | "untold", uplink: string | undefined, ipv6Pods = false): void {
    try {
      const every = which === "all" || uplink !== this.#uplink || this.#fault !== undefined;
      this.#uplink = uplink;
      const wanted = this.#wanted(uplink, ipv6Pods).filter(({ isTold }) => every || !isTold);
      for (const { name, isRight, value } of wanted) {
        const is = this.#kernel.sysctl.get(name);
        if (isRight(is)) continue;
        this.#kernel.sysctl.set(name, value(is));
        if (!this.#begun.has(name))
          this.#logger.info({ setting: name, was: is }, "a setting of the node is made");
        else {
          this.#logger.warn({ setting: name, was: is }, "a setting of the node was put right");
          this.#onMended();
        }
      }
      for (const { name } of wanted) this.#begun.add(name);
      this.#fault = undefined;
    } catch (error) {
      const fault = textOf(error);
      if (fault !== this.#fault)
        this.#logger.error({ error: fault }, "a setting of the node cannot be put right");
      this.#fault = fault;
    }
  }

  #wanted(uplink: string | undefined, ipv6Pods: boolean): Setting[] {
    const ipv6 = hasIpv6(this.#kernel);
    return [
      // Also the default for links that come later.
      on("net/ipv4/ip_forward"),
      ...(uplink === undefined ? [] : [on(`net/ipv4/conf/${uplink}/forwarding`)]),
      ...(ipv6 ? [on("net/ipv6/conf/all/forwarding")] : []),
      ...(ipv6 && ipv6Pods ? [silentOptions] : []),
    ];
  }
}

interface Setting {
  readonly name: string;
  /** The kernel tells of its changes (rtnetlink's netconf). */
  readonly isTold: boolean;
  readonly isRight: (is: string) => boolean;
  readonly value: (is: string) => string;
}

function on(name: string): Setting {
  return { name, isTold: true, isRight: (is) => is === ON, value: () => ON };
}

/**
 * Below zero: packets with a hop-by-hop option that the kernel does not know are dropped without an answer, which would be
 * sent before any rule is asked, to whatever address a pod has sent from. The amount is how many options there may be.
 */
const silentOptions: Setting = {
  name: "net/ipv6/max_hbh_opts_number",
  isTold: false,
  isRight: (is) => Number(is) <= 0,
  value: (is) => `-${is}`,
};
