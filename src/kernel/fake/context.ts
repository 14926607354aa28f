// What the parts of a fake handle share.
import { TrunklineError } from "../../base/errors.ts";
import type { NetnsRef } from "../kernel.ts";
import type { FakeCalls } from "./calls.ts";
import type { Namespace } from "./namespace.ts";

/** What a handle needs of its machine. */
export interface FakeWorld {
  readonly calls: FakeCalls;
  /** False: a kernel that was started without IPv6. */
  readonly ipv6: boolean;
  /** Kinds of links that this kernel has no module for. */
  readonly lacking: ReadonlySet<string>;
  namespaceOf(ref: NetnsRef): Namespace;
  nextMac(): string;
  release(namespace: Namespace): void;
}

export class FakeContext {
  readonly machine: FakeWorld;
  readonly #namespace: Namespace;
  #open = true;

  constructor(machine: FakeWorld, namespace: Namespace) {
    this.machine = machine;
    this.#namespace = namespace;
    namespace.holders++;
  }

  /** The namespace, for reading. @throws `kernel.closed` */
  namespace(attempt: string): Namespace {
    if (!this.#open) throw new TrunklineError("kernel.closed", { attempt });
    return this.#namespace;
  }

  /** The namespace, for a change, which is counted. @throws `kernel.closed`, what the test injected */
  change(operation: string, attempt: string): Namespace {
    const namespace = this.namespace(attempt);
    this.machine.calls.change(operation, attempt);
    return namespace;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.machine.release(this.#namespace);
  }
}
