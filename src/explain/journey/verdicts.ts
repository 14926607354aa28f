// What policies and security groups say of the first packet, asked on the hooks of its way about the packet as it is there.
import { formatIp } from "../../base/ip.ts";
import type { Choices } from "../../plan/foreign/index.ts";
import { rangeName } from "../../plan/snat/source-nat-rules.ts";
import { type End, endAt } from "../ends.ts";
import { type Machine, nodeName, podLink } from "../ground/ground.ts";
import { settled, withGroups } from "../judges/group-judge.ts";
import type { DirectionVerdict, GroupWord, Network, PolicyVerdict } from "../judges/judge.ts";
import type { Parcel, Start } from "./parcel.ts";
import type { Asked } from "./travelled.ts";

/** More sources than that are not asked one by one. */
const MOST_SOURCES = 256n;

/** Asks those of one side or both on a hook, and notes what they say. */
export type Judging = () => void;

export class Verdicts {
  readonly #network: Network;
  readonly #start: Start;
  readonly #choices: Choices;
  readonly #parcel: Parcel;
  readonly #asked: Asked[];
  #egress: DirectionVerdict | undefined;
  #ingress: DirectionVerdict | undefined;

  /** @param asked gets the sides in the order in which they are asked */
  constructor(network: Network, start: Start, choices: Choices, parcel: Parcel, asked: Asked[]) {
    this.#network = network;
    this.#start = start;
    this.#choices = choices;
    this.#parcel = parcel;
    this.#asked = asked;
  }

  /** One of those that were asked refuses it. */
  get isDenied(): boolean {
    return [this.#egress, this.#ingress].some((one) => one?.allowed === false);
  }

  /** Returns what both sides said; of one that was not asked, what it would have said in the end. */
  inTheEnd(): PolicyVerdict {
    const { egress, ingress } = this.#judge();
    return { egress: this.#egress ?? egress, ingress: this.#ingress ?? ingress };
  }

  /** Our own rules that judge new connections: of what comes from a pod, and of what goes to one. */
  policies(machine: Machine, by: string | undefined, toPod: boolean): Judging[] {
    if (nodeName(machine.name) === undefined) return [];
    const judge = () => {
      const verdicts = this.#judge();
      if (by === podLink.name) this.#egress = this.#note("egress", verdicts.egress);
      if (toPod) this.#ingress = this.#note("ingress", verdicts.ingress);
    };
    return by === podLink.name || toPod ? [judge] : [];
  }

  /** Asks for what goes to a pod, on no hook. */
  judgeIngress(): void {
    this.#ingress = this.#note("ingress", this.#judge().ingress);
  }

  /** Security groups at the interfaces of pods, asked of new connections that are forwarded, once policies let them pass. */
  groups(machine: Machine, by: string | undefined, pod: End | undefined): Judging[] {
    const { groups } = this.#network;
    const { from } = this.#start;
    const sender = by === podLink.name ? from : undefined;
    if (!groups || nodeName(machine.name) === undefined || (sender && pod && groups.areNear(sender, pod)))
      return [];
    const judge = () => {
      const { destination } = this.#parcel;
      if (sender && this.#egress)
        this.#egress = withGroups(this.#egress, this.#groupWord("egress", sender, [destination]));
      if (pod && this.#ingress && this.#egress?.allowed !== false)
        this.#ingress = withGroups(this.#ingress, this.#groupWord("ingress", pod, this.#sources()));
    };
    return [judge];
  }

  /** Returns what groups say where the other end has one of these addresses. */
  #groupWord(direction: Exclude<Asked, "rules">, pod: End, peers: readonly string[]): GroupWord | undefined {
    const { port } = this.#start;
    const now = port && { ...port, port: this.#parcel.port ?? port.port };
    const words = new Map<string, GroupWord | undefined>();
    for (const peer of peers) {
      const word = this.#network.groups?.asked(direction, pod, peer, now);
      words.set(`${word?.allowed ?? word}`, word);
    }
    const word = [...words.values()][
      this.#choices.pick(words.size, `which of ${rangeName(this.#parcel.source)} is used`)
    ];
    return settled(word, this.#choices);
  }

  #note(what: Asked, verdict: DirectionVerdict): DirectionVerdict {
    this.#asked.push(what);
    return verdict;
  }

  /** Of a range of sources each is asked, as the kernel may have picked any of them. */
  #judge(): PolicyVerdict {
    const name = rangeName(this.#parcel.source);
    const verdicts = new Map<string, PolicyVerdict>();
    for (const source of this.#sources()) {
      const verdict = this.#judgeOne(source);
      verdicts.set(`${verdict.egress.allowed} ${verdict.ingress.allowed}`, verdict);
    }
    return [...verdicts.values()][this.#choices.pick(verdicts.size, `which of ${name} is used`)]!;
  }

  #sources(): string[] {
    const { family, first, last } = this.#parcel.source;
    if (last - first >= MOST_SOURCES)
      throw this.#choices.untold(`which of ${rangeName(this.#parcel.source)} is used`);
    return Array.from({ length: Number(last - first) + 1 }, (_, at) =>
      formatIp({ family, value: first + BigInt(at) }),
    );
  }

  #judgeOne(seen: string): PolicyVerdict {
    const { from, to, source, destination, port } = this.#start;
    const { facts, policies } = this.#network;
    const now = this.#parcel.destination;
    return policies({
      from: seen === source ? from : endAt(facts, seen),
      to: now === destination ? to : endAt(facts, now),
      source: seen,
      destination: now,
      port: port && { ...port, port: this.#parcel.port ?? port.port },
    });
  }
}
