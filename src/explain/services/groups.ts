// Worlds, put together by the endpoint that they end at.
import { type Choices, explore, type World } from "../../plan/foreign/index.ts";
import type { Told } from "../told.ts";
import type { Group } from "./types.ts";

export class Groups {
  readonly #groups = new Map<string, { endpoint: Group["endpoint"]; worlds: World<Told>[] }>();

  /** @param doubts what is not known beside; one that begins with `?` keeps all from being told */
  explore(endpoint: Group["endpoint"], doubts: readonly string[], run: (choices: Choices) => Told): void {
    const hard = doubts.filter((one) => one.startsWith("?")).map((one) => one.slice(1));
    const soft = doubts.filter((one) => !one.startsWith("?"));
    const worlds = explore(run).map(({ told, doubts: own }) => ({
      told,
      doubts: [...soft, ...hard, ...own],
    }));
    this.put(endpoint, [...worlds, ...(hard.length > 0 ? [{ told: undefined, doubts: hard }] : [])]);
  }

  untold(doubt: string): this {
    this.put(undefined, [{ told: undefined, doubts: [doubt] }]);
    return this;
  }

  put(endpoint: Group["endpoint"], worlds: readonly World<Told>[]): void {
    const key = endpoint ? `${endpoint.address} ${endpoint.port}` : "";
    const at = endpoint && { address: endpoint.address, port: endpoint.port };
    const group = this.#groups.get(key) ?? { endpoint: at, worlds: [] };
    group.worlds.push(...worlds);
    this.#groups.set(key, group);
  }

  all(): readonly Group[] {
    return [...this.#groups.values()];
  }
}
