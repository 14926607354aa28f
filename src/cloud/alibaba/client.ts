// Calls to Alibaba Cloud, product by product: signed, paced, and repeated where that is safe, which is everywhere here: what
// makes something carries a token, and all else does nothing twice.
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { TrunklineError } from "../../base/errors.ts";
import { cloudCodeOf, isThrottled, isUnanswered } from "../provider.ts";
import type { Credentials } from "./credentials.ts";
import { Pace } from "./pace.ts";
import { signed } from "./signature.ts";

export type Product = "ecs" | "vpc" | "rds" | "r-kvstore";
export const versions: Readonly<Record<Product, string>> = {
  ecs: "2014-05-26",
  vpc: "2016-04-28",
  rds: "2014-08-15",
  "r-kvstore": "2015-01-01",
};

export interface ClientOptions {
  readonly region: string;
  readonly credentials: Credentials;
  /** Where a product is; default: the region's own. */
  readonly endpoint?: (product: Product) => string;
  /** How long one request may take, in milliseconds. */
  readonly timeoutMs?: number;
  readonly now?: () => number;
}

const TIMEOUT_MS = 10_000;
/** Repetitions, each after twice the pause: less than two seconds in all, then whoever asked decides. */
const REPEATS = 3;
const FIRST_PAUSE_MS = 200;
/** Refusals of the keys themselves, after which others may be there. */
const staleKeys = /^(InvalidSecurityToken|InvalidAccessKeyId)/;

export class Client {
  readonly #options: ClientOptions;
  readonly #pace = new Pace(() => performance.now());

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** Makes a call and returns the answer. @throws `cloud.refused`, `cloud.no-answer`, `cloud.credentials` */
  async call<T>(product: Product, action: string, parameters: Readonly<Record<string, string>>): Promise<T> {
    for (let done = 0; ; done++) {
      try {
        return (await this.#once(product, action, parameters)) as T;
      } catch (error) {
        const stale = staleKeys.test(cloudCodeOf(error) ?? "");
        if (stale) this.#options.credentials.forget();
        if (done >= REPEATS || (stale && done > 0) || !(stale || isThrottled(error) || isUnanswered(error)))
          throw error;
        // Machines that were refused together must not come back together.
        await pause(FIRST_PAUSE_MS * 2 ** done * (0.5 + Math.random() / 2));
      }
    }
  }

  async #once(
    product: Product,
    action: string,
    parameters: Readonly<Record<string, string>>,
  ): Promise<unknown> {
    const { region, credentials, now = Date.now, timeoutMs = TIMEOUT_MS } = this.#options;
    const keys = await credentials.keys();
    const wait = this.#pace.wait(action);
    if (wait > 0) await pause(wait);
    const endpoint = new URL(
      this.#options.endpoint?.(product) ?? `https://${product}.${region}.aliyuncs.com`,
    );
    const { query, headers } = signed(
      {
        host: endpoint.host,
        action,
        version: versions[product],
        parameters: { RegionId: region, ...parameters },
        now: now(),
        nonce: randomUUID(),
      },
      keys,
    );
    const { host: _host, ...sent } = headers;
    let status: number;
    let text: string;
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      const response = await fetch(`${endpoint.origin}/?${query}`, { method: "POST", headers: sent, signal });
      status = response.status;
      text = await response.text();
    } catch (error) {
      const cause = (error as { cause?: { code?: string } }).cause?.code;
      throw noAnswer(action, cause ?? (error as Error).name);
    }
    return read(action, status, text);
  }
}

function read(action: string, status: number, text: string): unknown {
  let answer: { Code?: unknown; Message?: unknown } | undefined;
  try {
    answer = JSON.parse(text) as typeof answer;
  } catch {
    answer = undefined;
  }
  if (status === 200 && typeof answer === "object" && answer !== null) return answer;
  const code = typeof answer?.Code === "string" ? answer.Code : "";
  // It broke in the middle: nobody knows how far it had got.
  if (code === "" || status >= 500)
    throw noAnswer(action, `status ${status}${code === "" ? "" : ` (${code})`}`);
  const message = typeof answer?.Message === "string" ? answer.Message : "";
  throw new TrunklineError("cloud.refused", { call: action, cloudCode: code, message });
}

function noAnswer(call: string, why: string) {
  return new TrunklineError("cloud.no-answer", { call, why });
}
