// Why a session does not stand, from what BIRD says and what the kernel counts. BIRD says the same of a peer with a wrong
// password as of one that is not there; the kernel knows, but not of whom.

import type { SaidBySession } from "../../bird/read/log.ts";
import type { ProtocolState } from "../../bird/read/protocols.ts";
import type { SessionError, SessionErrorCode } from "../../plan/routing/bird/report.ts";
import type { Session } from "../../plan/routing/bird/sessions.ts";
import type { SignatureCounts } from "./tcp-signatures.ts";

/** A peer tries again within some seconds, so a count that has not gone up for so long is old news. */
const NEWS_MS = 16_000;
/** For so long a connection that is being made is no fault. */
const PATIENCE_MS = 3000;
/** Said once, and true until the session stands. */
const lasting: ReadonlySet<SessionErrorCode> = new Set([
  "wrong-as",
  "too-many-prefixes",
  "hold-timer-expired",
]);

export class SessionWatch {
  readonly #now: () => number;
  #counts: SignatureCounts | undefined;
  readonly #rose = new Map<keyof SignatureCounts, number>();
  readonly #hanging = new Map<string, number>();
  /** What was last said in BGP's own words: a peer that was told off mostly just hangs up from then on. */
  readonly #reasons = new Map<string, { readonly error: SessionError; readonly of: string }>();

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Returns the error of each session that has one, by BIRD's name. Called every second or so. */
  look(
    sessions: readonly Session[],
    protocols: ReadonlyMap<string, ProtocolState>,
    counts: SignatureCounts,
    here: ReadonlySet<string>,
    said: readonly SaidBySession[] = [],
  ): ReadonlyMap<string, SessionError> {
    const now = this.#now();
    for (const session of sessions)
      for (const { protocol, text } of said) if (protocol === session.protocol) this.#remember(session, text);
    this.#count(counts, now);
    const hanging = sessions.filter(({ protocol }) => isHanging(protocols.get(protocol)));
    const names = new Set(hanging.map(({ protocol }) => protocol));
    for (const name of this.#hanging.keys()) if (!names.has(name)) this.#hanging.delete(name);
    for (const name of names) if (!this.#hanging.has(name)) this.#hanging.set(name, now);
    const out = new Map<string, SessionError>();
    for (const session of sessions) {
      const error = this.#errorOf(session, { protocols, hanging, here, now });
      if (error) out.set(session.protocol, error);
    }
    return out;
  }

  #count(counts: SignatureCounts, now: number): void {
    for (const name of ["failure", "notFound", "unexpected"] as const)
      if (this.#counts !== undefined && counts[name] > this.#counts[name]) this.#rose.set(name, now);
    this.#counts = counts;
  }

  #errorOf(session: Session, look: Look): SessionError | undefined {
    const { held, protocol, localAddress, peer } = session;
    if (held) return held;
    const state = look.protocols.get(protocol);
    if (state?.bgpState === "Established") {
      this.#reasons.delete(protocol);
      return undefined;
    }
    if (localAddress !== undefined && !look.here.has(localAddress))
      return { code: "no-local-address", message: `no interface of the node holds ${localAddress}` };
    const signature = this.#signature(session, look);
    if (signature) return signature;
    const said = state?.lastError === undefined ? undefined : wordsOf(state.lastError, session);
    const reason = this.#reason(session, said);
    if (reason) return reason;
    const since = this.#hanging.get(protocol) ?? look.now;
    if (look.now - since < PATIENCE_MS && state?.lastError === undefined)
      return { code: "no-answer", message: `${peer} has not answered yet` };
    const passive = session.passive ? "has not connected" : "does not answer";
    return {
      code: "no-answer",
      message: `${peer} ${passive}${state?.lastError ? `: ${state.lastError}` : ""}`,
    };
  }

  /** Returns what BGP itself has said last, as long as nobody has changed the session, or else what is said now. */
  #reason(session: Session, said: SessionError | undefined): SessionError | undefined {
    const of = settingsOf(session);
    if (said && lasting.has(said.code)) this.#reasons.set(session.protocol, { error: said, of });
    const kept = this.#reasons.get(session.protocol);
    // Somebody who does not listen is not the one who spoke.
    if (!kept || kept.of !== of || said?.code === "connection-refused") return said;
    return kept.error;
  }

  #remember(session: Session, text: string): void {
    const error = wordsOf(text, session);
    if (error) this.#reasons.set(session.protocol, { error, of: settingsOf(session) });
  }

  /** Accuses only those that hang, and says so where several may be meant. */
  #signature(session: Session, { hanging, now }: Look): SessionError | undefined {
    if (!hanging.includes(session)) return undefined;
    const news = (name: keyof SignatureCounts) =>
      now - (this.#rose.get(name) ?? Number.NEGATIVE_INFINITY) < NEWS_MS;
    const accused = hanging.filter(({ signed, held }) => held === undefined && signed === session.signed);
    const others = accused.filter((one) => one !== session).map(({ peer }) => peer);
    const doubt =
      others.length === 0 ? "" : `, or ${others.join(", ")}: the kernel counts it without saying of whom`;
    const say = (code: SessionErrorCode, what: string): SessionError => ({
      code,
      message: `${session.peer} ${what}${doubt}`,
    });
    if (!session.signed)
      return news("unexpected")
        ? say("password-unexpected", "signs its packets, and no password is set here")
        : undefined;
    if (news("failure")) return say("wrong-password", "signs its packets with another password");
    if (news("notFound"))
      return say("password-not-sent", "does not sign its packets, and a password is set here");
    return undefined;
  }
}

interface Look {
  readonly protocols: ReadonlyMap<string, ProtocolState>;
  readonly hanging: readonly Session[];
  readonly here: ReadonlySet<string>;
  readonly now: number;
}

function settingsOf({ peerAS, localAS, password = "" }: Session): string {
  return `${peerAS} ${localAS} ${password}`;
}

function isHanging(state: ProtocolState | undefined): boolean {
  return state !== undefined && state.bgpState !== "Established" && state.bgpState !== "OpenConfirm";
}

/** BIRD's words for what ended a session, or kept it from coming up. */
function wordsOf(text: string, { peer, peerAS }: Session): SessionError | undefined {
  const say = (code: SessionErrorCode, message: string): SessionError => ({ code, message });
  const received = /^Received: (.*)$/.exec(text)?.[1];
  if (/Bad peer AS/i.test(text))
    return say(
      "wrong-as",
      received === undefined
        ? `${peer} is not in AS ${peerAS}`
        : `${peer} does not take this node's AS: ${received}`,
    );
  if (/Hold timer expired/i.test(text))
    return say("hold-timer-expired", `nothing was heard from ${peer}: ${text}`);
  if (/Maximum number of prefixes/i.test(text))
    return say("too-many-prefixes", `${peer} takes fewer prefixes than it was told: ${text}`);
  if (/Connection refused/i.test(text))
    return say("connection-refused", `nobody listens at ${peer}: ${text}`);
  if (received !== undefined) return say("peer-closed", `${peer} has closed the session: ${received}`);
  if (/Connection (closed|reset)/i.test(text))
    return say("peer-closed", `${peer} has closed the connection: ${text}`);
  return undefined;
}
