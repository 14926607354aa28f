// The node's own settings without which no pod's packet is forwarded. Others set them, too (a VPN that is shut down, a
// sysctl.d file that is read again), so they are looked at whenever the kernel tells of a change, and every second.
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
  /** They were all right once: what differs now, somebody else has changed. */
  #begun = false;

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
   * @param uplink the link that holds the node's address; undefined while that is not known
   */
  mend(uplink: string | undefined): void {
    try {
      for (const name of this.#wanted(uplink)) {
        const is = this.#kernel.sysctl.get(name);
        if (is === ON) continue;
        this.#kernel.sysctl.set(name, ON);
        if (!this.#begun) this.#logger.info({ setting: name, was: is }, "a setting of the node is made");
        else {
          this.#logger.warn({ setting: name, was: is }, "a setting of the node was put right");
          this.#onMended();
        }
      }
      this.#begun = true;
      this.#fault = undefined;
    } catch (error) {
      const fault = textOf(error);
      if (fault !== this.#fault)
        this.#logger.error({ error: fault }, "a setting of the node cannot be put right");
      this.#fault = fault;
    }
  }

  #wanted(uplink: string | undefined): string[] {
    return [
      // Also the default for links that come later.
      "net/ipv4/ip_forward",
      ...(uplink === undefined ? [] : [`net/ipv4/conf/${uplink}/forwarding`]),
      ...(hasIpv6(this.#kernel) ? ["net/ipv6/conf/all/forwarding"] : []),
    ];
  }
}
