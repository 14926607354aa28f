// Every request that reaches a fake machine, counted, so that a test can break any one of them.
import { TrunklineError } from "../../base/errors.ts";

export interface FakeCall {
  /** Counted from 1; only requests that change something are counted. */
  readonly number: number;
  /** Such as `routes.add`. */
  readonly operation: string;
  /** What it is about, in the words of the error messages. */
  readonly subject: string;
}

export class FakeCalls {
  /** How many changes were asked for. */
  count = 0;
  /** Called before each change; what it throws is what the caller gets, and nothing is changed. */
  before: ((call: FakeCall) => void) | undefined;

  /** Counts a change. @throws what `before` throws */
  change(operation: string, subject: string): void {
    this.count++;
    this.before?.({ number: this.count, operation, subject });
  }

  /** Makes the n-th change from now fail (1: the next one), and every one after it, as if the process had died there. */
  failFrom(n: number): void {
    const first = this.count + n;
    this.before = ({ number, operation, subject }) => {
      if (number < first) return;
      const attempt = `${operation} ${subject}`;
      throw new TrunklineError("kernel.refused", {
        attempt,
        errno: "EIO",
        text: "failure injected by a test",
      });
    };
  }
}
