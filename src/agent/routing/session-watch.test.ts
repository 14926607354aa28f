import { beforeEach, describe, expect, it } from "vitest";
import type { ProtocolState } from "../../bird/read/protocols.ts";
import type { Session } from "../../plan/routing/bird/sessions.ts";
import { SessionWatch } from "./session-watch.ts";
import type { Testimony } from "./signature-witness.ts";
import { readSignatureCounts, type SignatureCounts } from "./tcp-signatures.ts";

const quiet: SignatureCounts = { failure: 0, notFound: 0, unexpected: 0 };
const here = new Set(["10.0.0.1"]);
const session = (peer: string, more: Partial<Session> = {}) =>
  ({
    protocol: peer,
    peer,
    peerAS: 65_001,
    localAddress: "10.0.0.1",
    signed: false,
    passive: false,
    ...more,
  }) as Session;
const state = (bgpState: string, lastError?: string) =>
  ({ bgpState, lastError, state: "start" }) as unknown as ProtocolState;

describe("a session that does not stand", () => {
  let now: number;
  let watch: SessionWatch;
  beforeEach(() => {
    now = 0;
    watch = new SessionWatch(() => now);
  });
  const look = (
    sessions: Session[],
    states: Record<string, ProtocolState>,
    counts: Partial<SignatureCounts> = {},
  ) => {
    const found = watch.look(sessions, new Map(Object.entries(states)), { ...quiet, ...counts }, here);
    return Object.fromEntries([...found].map(([name, { code }]) => [name, code]));
  };

  it("has no error once it stands", () => {
    expect(look([session("r")], { r: state("Established") })).toEqual({});
  });

  it("is told apart by what BIRD says", () => {
    const said = (text: string) => {
      look([session("r")], { r: state("Established") });
      return look([session("r")], { r: state("Active", text) })["r"];
    };
    expect(said("BGP Error: Bad peer AS")).toBe("wrong-as");
    expect(said("Received: Bad peer AS: 64512")).toBe("wrong-as");
    expect(said("Socket: Connection refused")).toBe("connection-refused");
    expect(said("BGP Error: Hold timer expired")).toBe("hold-timer-expired");
    expect(said("Received: Maximum number of prefixes reached")).toBe("too-many-prefixes");
    expect(said("Received: Administrative shutdown")).toBe("peer-closed");
    expect(said("Socket: No route to host")).toBe("no-answer");
  });

  it("is what BGP has said until the session stands or is changed, though the peer only hangs up now", () => {
    look([session("r")], { r: state("Active", "Received: Maximum number of prefixes reached") });
    expect(look([session("r")], { r: state("Active", "Socket: Connection closed") })).toEqual({
      r: "too-many-prefixes",
    });
    expect(look([session("r")], { r: state("Connect") })).toEqual({ r: "too-many-prefixes" });
    expect(look([session("r", { peerAS: 1 })], { r: state("Connect") })).toEqual({ r: "no-answer" });
    look([session("r")], { r: state("Established") });
    expect(look([session("r")], { r: state("Connect") })).toEqual({ r: "no-answer" });
  });

  it("has the reason that stands in BIRD's log, though something else has happened since", () => {
    const said = [{ protocol: "r", text: "Received: Maximum number of prefixes reached: 0001" }];
    const states = new Map([["r", state("Active", "Socket: Connection reset by peer")]]);
    const found = watch.look([session("r")], states, quiet, here, said);
    expect(found.get("r")?.code).toBe("too-many-prefixes");
    expect(look([session("r")], { r: state("Active", "Socket: Connection reset by peer") })).toEqual({
      r: "too-many-prefixes",
    });
  });

  it("is told apart by the kernel's counters, as long as they are news", () => {
    const signed = session("r", { signed: true });
    const hangs = { r: state("Connect") };
    look([signed], hangs, { failure: 3 });
    now += 1000;
    // What was counted before anybody looked is nobody's fault.
    expect(look([signed], hangs, { failure: 3 })).toEqual({ r: "no-answer" });
    expect(look([signed], hangs, { failure: 4 })).toEqual({ r: "wrong-password" });
    now += 10_000;
    expect(look([signed], hangs, { failure: 4 })).toEqual({ r: "wrong-password" });
    now += 10_000;
    expect(look([signed], hangs, { failure: 4, notFound: 1 })).toEqual({ r: "password-not-sent" });
    expect(look([session("r")], hangs, { failure: 5, notFound: 1, unexpected: 1 })).toEqual({
      r: "password-unexpected",
    });
  });

  it("shares the blame with others that hang, and says so; those that stand are not accused", () => {
    const all = ["r", "s", "t"].map((peer) => session(peer, { signed: true }));
    const states = new Map(
      Object.entries({ r: state("Connect"), s: state("Active"), t: state("Established") }),
    );
    watch.look(all, states, quiet, here);
    const found = watch.look(all, states, { ...quiet, failure: 1 }, here);
    expect([...found.keys()]).toEqual(["r", "s"]);
    expect(found.get("r")?.message).toContain("or s");
  });

  it("that has spoken is not accused for others, and a peer that then closes its door has still said why", () => {
    const all = ["told-off", "full", "signs"].map((peer) => session(peer));
    const states = (full: string) => ({
      "told-off": state("Idle", "BGP Error: Bad peer AS"),
      full: state("Active", full),
      signs: state("Connect"),
    });
    look(all, states("Received: Maximum number of prefixes reached"));
    now += 1000;
    expect(look(all, states("Socket: Connection refused"), { unexpected: 1 })).toEqual({
      "told-off": "wrong-as",
      full: "too-many-prefixes",
      signs: "password-unexpected",
    });
  });

  describe("and whose packets are seen", () => {
    const seen = new Map<string, Testimony>();
    const watched: string[][] = [];
    const witness = {
      watch: (peers: ReadonlySet<string>) => {
        watched.push([...peers]);
        for (const peer of peers) if (!seen.has(peer)) seen.set(peer, { since: now });
      },
      of: (peer: string) => seen.get(peer),
    };
    const see = (peer: string, what: Partial<Testimony>) =>
      seen.set(peer, { since: 0, ...seen.get(peer), ...what });
    const both = ["mute", "wrong", "away"].map((peer) => session(peer, { signed: true }));
    const states = { mute: state("Connect"), wrong: state("Connect"), away: state("Connect") };
    beforeEach(() => {
      seen.clear();
      watched.length = 0;
      watch = new SessionWatch(() => now, witness);
    });

    it("are accused of what they did, and nobody else is", () => {
      look(both, states);
      expect(watched.at(-1)).toEqual([]);
      now += 1000;
      // Nobody was watched yet when it was counted.
      expect(look(both, states, { failure: 1, notFound: 1 })["away"]).toBe("wrong-password");
      expect(watched.at(-1)).toEqual(["mute", "wrong", "away"]);
      now += 500;
      see("mute", { unsignedAt: now });
      see("wrong", { signedAt: now });
      now += 500;
      expect(look(both, states, { failure: 2, notFound: 2 })).toMatchObject({
        mute: "password-not-sent",
        wrong: "wrong-password",
      });
      now += 1000;
      const told = watch.look(
        both,
        new Map(Object.entries(states)),
        { ...quiet, failure: 3, notFound: 3 },
        here,
      );
      expect(told.get("mute")?.message).not.toContain("or ");
      expect(told.get("wrong")?.message).not.toContain("or ");
      expect(told.get("away")?.code).toBe("no-answer");
    });

    it("are watched no longer than there is something to find out", () => {
      look(both, states);
      look(both, states, { failure: 1 });
      now += 20_000;
      look(both, states, { failure: 1 });
      expect(watched.at(-1)).toEqual([]);
    });
  });

  it("cannot come up without the node's address", () => {
    expect(look([session("r", { localAddress: "10.0.0.9" })], { r: state("Connect") })).toEqual({
      r: "no-local-address",
    });
  });
});

it("reads the counters by their names", () => {
  const text = "TcpExt: SyncookiesSent TCPMD5NotFound TCPMD5Failure\nTcpExt: 1 2 3\nIpExt: A\nIpExt: 9\n";
  expect(readSignatureCounts(text)).toEqual({ failure: 3, notFound: 2, unexpected: 0 });
});
