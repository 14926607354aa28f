// Why a session does not stand, from what BIRD says and what the kernel counts. BIRD says the same of a peer with a wrong
// password as of one that is not there; the kernel knows, but not of whom.

import type { SaidBySession } from "../../bird/read/log.ts";
import type { ProtocolState } from "../../bird/read/protocols.ts";
import type { SessionError, SessionErrorCode } from "../../plan/routing/bird/report.ts";
import type { Session } from "../../plan/routing/bird/sessions.ts";
import type { Testimony } from "./signature-witness.ts";
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
/** Only a peer whose packets were taken can have said these. */
const spoken: ReadonlySet<SessionErrorCode> = new Set(["wrong-as", "too-many-prefixes"]);

/** Who is watched for signatures, and what was seen. */
export interface Witness {
  watch(peers: ReadonlySet<string>): void;
  of(peer: string): Testimony | undefined;
}

export class SessionWatch {
  readonly #now: () => number;
  readonly #witness: Witness | undefined;
  #counts: SignatureCounts | undefined;
  #lookedAt = 0;
  /** When each counter last went up: not before `from`, and not after `at`. */
  readonly #rose = new Map<keyof SignatureCounts, { readonly from: number; readonly at: number }>();
  readonly #hanging = new Map<string, number>();
  /** What was last said in BGP's own words: a peer that was told off mostly just hangs up from then on. */
  readonly #reasons = new Map<string, Reason>();

  constructor(now: () => number = () => performance.now(), witness?: Witness) {
    this.#now = now;
    this.#witness = witness;
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
    const suspects = hanging.filter(({ held }) => held === undefined).map(({ peer }) => peer);
    const counted = ["failure", "notFound", "unexpected"] as const;
    this.#witness?.watch(new Set(counted.some((name) => this.#isNews(name, now)) ? suspects : []));
    const out = new Map<string, SessionError>();
    for (const session of sessions) {
      const error = this.#errorOf(session, { protocols, hanging, here, now });
      if (error) out.set(session.protocol, error);
    }
    return out;
  }

  #count(counts: SignatureCounts, now: number): void {
    for (const name of ["failure", "notFound", "unexpected"] as const)
      if (this.#counts !== undefined && counts[name] > this.#counts[name])
        this.#rose.set(name, { from: this.#lookedAt, at: now });
    this.#counts = counts;
    this.#lookedAt = now;
  }

  #isNews(name: keyof SignatureCounts, now: number): boolean {
    return now - (this.#rose.get(name)?.at ?? Number.NEGATIVE_INFINITY) < NEWS_MS;
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
    const said = state?.lastError === undefined ? undefined : wordsOf(state.lastError, session);
    const reason = this.#reason(session, said);
    const signature = this.#signature(session, look);
    const { error: kept, at = 0 } = reason ?? {};
    // Whose words have come is not one whose packets were dropped.
    if (kept && spoken.has(kept.code) && look.now - at < NEWS_MS) return kept;
    if (signature && (signature.sure || !kept || !lasting.has(kept.code))) return signature.error;
    if (kept) return kept;
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
  #reason(session: Session, said: SessionError | undefined): Reason | undefined {
    const of = settingsOf(session);
    const before = this.#reasons.get(session.protocol);
    // BIRD shows its last words until there are others: only new ones are news.
    if (said && lasting.has(said.code) && !(before?.of === of && before.error.message === said.message))
      this.#reasons.set(session.protocol, { error: said, of, at: this.#now() });
    const kept = this.#reasons.get(session.protocol);
    if (kept?.of === of && said?.code !== "connection-refused") return kept;
    // Who was told too much may close his door for good. Otherwise who does not listen is not the one who spoke.
    if (kept?.of === of && kept.error.code === "too-many-prefixes")
      return {
        ...kept,
        error: { ...kept.error, message: `${kept.error.message}; nobody listens there since` },
      };
    return said && { error: said, of, at: this.#now() };
  }

  #remember(session: Session, text: string): void {
    const error = wordsOf(text, session);
    if (error) this.#reasons.set(session.protocol, { error, of: settingsOf(session), at: this.#now() });
  }

  /** Accuses only those that hang: those who were seen, or else all that may be meant, and says so. */
  #signature(session: Session, look: Look): { error: SessionError; sure: boolean } | undefined {
    if (!look.hanging.includes(session)) return undefined;
    const { peer, signed } = session;
    const claims = claimsOf(signed).filter(({ counter }) => this.#isNews(counter, look.now));
    const suspicions = claims.map((claim) => ({ ...claim, sure: this.#suspicion(session, claim, look) }));
    const found =
      suspicions.find(({ sure }) => sure === true) ?? suspicions.find(({ sure }) => sure === false);
    if (!found) return undefined;
    const others = look.hanging
      .filter((one) => one !== session && one.held === undefined && one.signed === signed)
      .filter((one) => found.sure === false && this.#suspicion(one, found, look) !== undefined)
      .map((one) => one.peer);
    const doubt =
      others.length === 0 ? "" : `, or ${others.join(", ")}: the kernel counts it without saying of whom`;
    const sure = found.sure === true || others.length === 0;
    return { error: { code: found.code, message: `${peer} ${found.what}${doubt}` }, sure };
  }

  /** Returns true where the peer was seen to do it, false where it may have, undefined where it has not. */
  #suspicion({ peer }: Session, { counter, signs }: Claim, { now }: Look): boolean | undefined {
    const seen = this.#witness?.of(peer);
    const at = signs ? seen?.signedAt : seen?.unsignedAt;
    if (at !== undefined && now - at < NEWS_MS) return true;
    return seen && seen.since <= (this.#rose.get(counter)?.from ?? 0) ? undefined : false;
  }
}

interface Reason {
  readonly error: SessionError;
  /** Of the session as it was set up. */
  readonly of: string;
  /** When it was said. */
  readonly at: number;
}

/** What a peer does wrong, and the counter that goes up with it. */
interface Claim {
  readonly counter: keyof SignatureCounts;
  readonly signs: boolean;
  readonly code: SessionErrorCode;
  readonly what: string;
}

function claimsOf(signed: boolean): readonly Claim[] {
  return signed
    ? [
        {
          counter: "failure",
          signs: true,
          code: "wrong-password",
          what: "signs its packets with another password",
        },
        {
          counter: "notFound",
          signs: false,
          code: "password-not-sent",
          what: "does not sign its packets, and a password is set here",
        },
      ]
    : [
        {
          counter: "unexpected",
          signs: true,
          code: "password-unexpected",
          what: "signs its packets, and no password is set here",
        },
      ];
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
