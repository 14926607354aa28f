// Pods' packets past iptables' FORWARD chain where its policy is to drop (Docker, ufw and many an administrator set it
// so). A packet that no rule there accepts is dropped, whatever our own table says: so flannel and Calico have rules
// there, and so have we, in a chain of our own behind everybody else's rules. What another program's rule drops stays
// dropped; only the policy is overruled. Pure: iptables-save's text in, iptables-restore's input out.
import { type Cidr, formatCidr } from "../../base/ip.ts";

/** The chain that is ours; nobody else's is touched. */
export const ACCEPT_CHAIN = "TRUNKLINE-FORWARD";

const comment = (text: string) => `-m comment --comment "trunkline: ${text}"`;
const jump = `${comment("pods pass, whatever the policy")} -j ${ACCEPT_CHAIN}`;

export interface ForwardState {
  readonly policy: "ACCEPT" | "DROP";
  /** Rules of our chain, without the chain's name; undefined: there is no such chain. */
  readonly own: readonly string[] | undefined;
  /** What FORWARD says where it leads to our chain. */
  readonly jumps: readonly string[];
}

/** Reads `iptables-save -t filter`; undefined where there is no FORWARD chain. */
export function readForward(saved: string): ForwardState | undefined {
  const policy = /^:FORWARD (ACCEPT|DROP)\b/m.exec(saved)?.[1];
  if (policy !== "ACCEPT" && policy !== "DROP") return undefined;
  const rulesOf = (chain: string) =>
    [...saved.matchAll(/^(?:\[\d+:\d+\] )?-A (\S+) (.*)$/gm)].flatMap(([, name, text = ""]) =>
      name === chain ? [text] : [],
    );
  const isThere = saved.split("\n").some((line) => line.startsWith(`:${ACCEPT_CHAIN} `));
  return {
    policy,
    own: isThere ? rulesOf(ACCEPT_CHAIN) : undefined,
    jumps: rulesOf("FORWARD").filter((text) => new RegExp(`-[jg] ${ACCEPT_CHAIN}$`).test(text)),
  };
}

/**
 * Returns what to hand to `iptables-restore --noflush` so that packets from and to these ranges pass where the policy
 * drops, and so that nothing of ours is there where it does not; undefined: all is as it should be.
 * @param ranges pods' ranges of the table's family
 */
export function acceptInput(state: ForwardState, ranges: readonly Cidr[]): string | undefined {
  const wanted = state.policy === "DROP" && ranges.length > 0 ? rulesFor(ranges) : undefined;
  if (wanted === undefined) {
    if (state.own === undefined && state.jumps.length === 0) return undefined;
    const lines = state.jumps.map((text) => `-D FORWARD ${text}`);
    // Declared, a chain is emptied; what still led to it could not go.
    return input([`:${ACCEPT_CHAIN} - [0:0]`, ...lines, `-X ${ACCEPT_CHAIN}`]);
  }
  const isSame =
    state.own?.length === wanted.length &&
    wanted.every((rule, at) => state.own?.[at] === rule) &&
    state.jumps.length === 1;
  if (isSame) return undefined;
  const jumps =
    state.jumps.length === 1
      ? []
      : [...state.jumps.map((text) => `-D FORWARD ${text}`), `-A FORWARD ${jump}`];
  return input([`:${ACCEPT_CHAIN} - [0:0]`, ...wanted.map((rule) => `-A ${ACCEPT_CHAIN} ${rule}`), ...jumps]);
}

function rulesFor(ranges: readonly Cidr[]): string[] {
  const texts = [...new Set(ranges.map((range) => formatCidr(range)))].toSorted();
  return texts.flatMap((text) => [
    `-s ${text} ${comment("from pods")} -j ACCEPT`,
    `-d ${text} ${comment("to pods")} -j ACCEPT`,
  ]);
}

function input(lines: readonly string[]): string {
  return `*filter\n${lines.join("\n")}\nCOMMIT\n`;
}
