// What a node knows of interfaces that single pods have to themselves: written down before they are used, so that an agent
// that starts anew leads those pods' traffic rightly before it has heard of anything.
import path from "node:path";
import { textOf } from "../../../base/errors.ts";
import { JournalFile } from "../../../base/journal/file.ts";
import type { Logger } from "../../../base/log.ts";
import {
  LAST_SUBNET_TABLE,
  type RoutedInterface,
  STRAY_TABLE,
} from "../../../plan/subnets/interface-routes.ts";
import type { OwnAddress } from "../../../plan/subnets/own-interface.ts";
import { readList, writeList } from "../list-file.ts";

export interface OwnWire extends OwnAddress {
  /** Of the endpoint: `containerId/interface`. */
  readonly key: string;
  /** `namespace/name` */
  readonly pod: string;
  readonly uid: string;
  /** Number of its routing table; see RoutedInterface. */
  readonly slot: RoutedInterface["slot"];
  /** Of the trunk that carries a member; absent where the machine has a link for the member itself. */
  readonly trunkMac?: string;
  /** Its VLAN has that MAC, too, as Terway has it; else the member's own, which switches can tell from the trunk's. */
  readonly sharesMac?: boolean;
}

/** Those of pools count from 1 upwards. */
const LAST_SLOT = LAST_SUBNET_TABLE - STRAY_TABLE;

export class OwnBook {
  readonly #file: JournalFile;
  readonly #logger: Logger;
  readonly #wires = new Map<string, OwnWire>();
  /** The file has entries that were removed. */
  #isBehind = false;

  constructor(folder: string, logger: Logger) {
    this.#logger = logger;
    this.#file = new JournalFile(path.join(folder, "own-interfaces.json"));
    for (const wire of readFile(this.#file, logger)) this.#wires.set(wire.key, wire);
  }

  /** By key of the endpoint. */
  get wires(): ReadonlyMap<string, OwnWire> {
    return this.#wires;
  }

  /** @throws what the system says: then nothing has changed */
  put(wire: OwnWire): void {
    const before = this.#wires.get(wire.key);
    this.#wires.set(wire.key, wire);
    try {
      this.#write();
    } catch (error) {
      if (before === undefined) this.#wires.delete(wire.key);
      else this.#wires.set(wire.key, before);
      throw error;
    }
  }

  /**
   * Returns what that endpoint had. A disk that takes nothing keeps no pod from being taken down: the file follows with the next
   * change, and an agent that starts before that gives back what it finds without an endpoint.
   */
  remove(key: string): OwnWire | undefined {
    const wire = this.#wires.get(key);
    this.#wires.delete(key);
    if (wire !== undefined || this.#isBehind) this.#writeIfPossible();
    return wire;
  }

  freeSlot(): number {
    const taken = new Set([...this.#wires.values()].map(({ slot }) => slot));
    let slot = LAST_SLOT;
    while (taken.has(slot)) slot--;
    return slot;
  }

  #writeIfPossible(): void {
    try {
      this.#write();
    } catch (error) {
      this.#isBehind = true;
      this.#logger.error(
        { file: this.#file.path, error: textOf(error) },
        "the list of pods' own interfaces cannot be written",
      );
    }
  }

  #write(): void {
    writeList(this.#file, this.#wires.values());
    this.#isBehind = false;
  }
}

/** What cannot be read is no loss: PodENIs say the same of pods that run. */
function readFile(file: JournalFile, logger: Logger): readonly OwnWire[] {
  return readList(file, isWire, (why) =>
    logger.error({ file: file.path, why }, "the list of pods' own interfaces cannot be read: PodENIs are"),
  );
}

function isWire(value: unknown): value is OwnWire {
  const one = (value ?? {}) as Readonly<Record<keyof OwnWire, unknown>>;
  const texts = [one.key, one.pod, one.uid, one.id, one.mac, one.vSwitchID, one.cidr, one.gateway];
  return (
    [...texts, one.address].every((text) => typeof text === "string") &&
    typeof one.slot === "number" &&
    (one.kind === "exclusive" || (one.kind === "trunk" && typeof one.vid === "number")) &&
    (one.trunkMac === undefined || typeof one.trunkMac === "string") &&
    Array.isArray(one.securityGroupIDs) &&
    one.securityGroupIDs.every((id) => typeof id === "string")
  );
}
