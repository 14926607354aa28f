// Probes with real packets: sockets opened in the sender's namespace, and the answer read here.
import { randomBytes, randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { Socket } from "node:net";
import type { Kernel } from "../../kernel/kernel.ts";
import { echoRequest, ICMP, isEchoReply, refusedBy } from "./icmp.ts";
import { answered, failed, fromErrno, type ProbeResult, timedOut } from "./result.ts";
import { decodeSctp, encodeSctp, SCTP, withoutIpHeader } from "./sctp.ts";

export interface ProbeQuery {
  readonly kernel: Kernel;
  /** Address of the target. */
  readonly to: string;
  /** One of the sender's addresses; absent: its kernel chooses. */
  readonly from?: string;
  /** Absent for ICMP. */
  readonly port?: number;
  readonly protocol: "TCP" | "UDP" | "SCTP" | "ICMP";
  readonly timeoutMs: number;
  /** TCP: a connection that opens is an answer. Default: what the far side then says, as the lab's servers do. */
  readonly openIsEnough?: boolean;
}

/** TCP repeats its first packet after a second, so a time-out below that trusts one packet only. */
export const DEFAULT_TIMEOUT_MS = 2000;
/** When probes without a transport of their own repeat their packet, in milliseconds after the first. */
const REPEATS = [200, 600, 1200];

/** Sends a probe and returns what came of it; never throws. */
export async function probe(query: ProbeQuery): Promise<ProbeResult> {
  try {
    switch (query.protocol) {
      case "TCP":
        return await probeTcp(query);
      case "UDP":
        return await probeUdp(query);
      case "SCTP":
        return await probeSctp(query);
      case "ICMP":
        return await probeIcmp(query);
    }
  } catch (error) {
    return fromErrno(error);
  }
}

function probeTcp({ kernel, to, from, port = 0, timeoutMs, openIsEnough }: ProbeQuery): Promise<ProbeResult> {
  const start = performance.now();
  const fd = kernel.sockets.connectTcp(to, port, from);
  const socket = new Socket({ fd, readable: true, writable: true });
  return settle(timeoutMs, (done) => {
    let text = "";
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => {
      text += chunk;
      const line = seenIn(text);
      if (line !== undefined) done(answered(line, performance.now() - start));
    });
    // Writable once it is open.
    if (openIsEnough === true)
      socket.write("", (error) => error || done(answered(null, performance.now() - start)));
    // Somebody else's server may say nothing and close: it was reached all the same.
    socket.on("end", () => done(answered(null, performance.now() - start)));
    socket.on("error", (error) => done(fromErrno(error)));
    return () => socket.destroy();
  });
}

function probeUdp({ kernel, to, from, port = 0, timeoutMs }: ProbeQuery): Promise<ProbeResult> {
  const family = to.includes(":") ? 6 : 4;
  const fd = kernel.sockets.bindUdp(from ?? (family === 6 ? "::" : "0.0.0.0"), 0, true);
  const socket = createSocket(family === 6 ? "udp6" : "udp4");
  return settle(timeoutMs, (done) => {
    const start = performance.now();
    // Known again where it arrives.
    const text = `probe ${randomBytes(8).toString("hex")}`;
    const send = (): void => socket.send(text, (error) => error && done(fromErrno(error)));
    const timers: NodeJS.Timeout[] = [];
    socket.on("message", (said) =>
      done(answered(seenIn(said.toString()) ?? null, performance.now() - start)),
    );
    socket.on("error", (error) => done(fromErrno(error)));
    socket.bind({ fd });
    // A connected socket is told of ICMP errors.
    socket.connect(port, to, (error?: Error) => {
      if (error) return done(fromErrno(error));
      send();
      timers.push(...REPEATS.map((delay) => setTimeout(send, delay)));
    });
    return () => {
      timers.forEach(clearTimeout);
      socket.close();
    };
  });
}

function probeSctp({ port = 0, ...query }: ProbeQuery): Promise<ProbeResult> {
  const tag = randomInt(1, 2 ** 32);
  const sourcePort = randomInt(32768, 61000);
  const init = encodeSctp({
    sourcePort,
    destinationPort: port,
    tag: 0,
    chunk: { type: "init", initiateTag: tag },
  });
  let cameBack = false;
  const asked = probeRaw({ ...query, protocol: SCTP, packet: init, markAt: 0 }, (bytes, elapsed) => {
    const reply = decodeSctp(bytes);
    cameBack ||= reply?.chunk.type === "init" && reply.sourcePort === sourcePort;
    if (reply?.tag !== tag || reply.destinationPort !== sourcePort) return undefined;
    if (reply.chunk.type === "init-ack") {
      return answered(seenIn(`${Buffer.from(reply.chunk.cookie).toString()}\n`) ?? null, elapsed);
    }
    return reply.chunk.type === "abort" ? fromErrno({ code: "ECONNREFUSED" }) : undefined;
  });
  // Who asks itself takes its own packet, so the kernel refuses nothing: that nobody answered says the same.
  return asked.then((result) =>
    cameBack && result.outcome === "filtered" ? fromErrno({ code: "ECONNREFUSED" }) : result,
  );
}

function probeIcmp(query: ProbeQuery): Promise<ProbeResult> {
  const family = query.to.includes(":") ? 6 : 4;
  const id = randomInt(1, 65536);
  const { protocol } = ICMP[family];
  // The kernel fills in ICMPv6's checksum, so an error quotes another one: the id and number behind it are ours.
  const packet = echoRequest(family, id);
  return probeRaw({ ...query, protocol, packet, markAt: 4 }, (bytes, elapsed) =>
    isEchoReply(family, bytes, id) ? answered(null, elapsed) : undefined,
  );
}

interface RawQuery extends Omit<ProbeQuery, "protocol" | "port"> {
  readonly protocol: number;
  readonly packet: Uint8Array;
  /** Where among its first eight bytes the packet can be told from others. */
  readonly markAt: number;
}

/** Sends a packet of a protocol that has no sockets, repeats it, and waits for an answer or an ICMP error about it. */
function probeRaw(
  { kernel, to, from: own, protocol, packet, markAt, timeoutMs }: RawQuery,
  judge: (payload: Uint8Array, elapsedMs: number) => ProbeResult | undefined,
): Promise<ProbeResult> {
  const { sockets } = kernel;
  const family = to.includes(":") ? 6 : 4;
  // Others' packets would be taken for answered by this socket, and the kernel would not refuse them.
  const fd = sockets.openRaw(family, protocol, { to, ...(own !== undefined && { from: own }) });
  const errors = sockets.openRaw(family, ICMP[family].protocol);
  return settle(timeoutMs, (done) => {
    const start = performance.now();
    const receiving = sockets.receiveRaw(fd, (bytes, from) => {
      const result =
        from === to ? judge(withoutIpHeader(bytes, family), performance.now() - start) : undefined;
      if (result) done(result);
    });
    const failing = sockets.receiveRaw(errors, (bytes) => {
      const why = refusedBy(family, withoutIpHeader(bytes, family), {
        to,
        protocol,
        mark: { offset: markAt, bytes: packet.subarray(markAt, 8) },
      });
      if (why === "closed") done(fromErrno({ code: "ECONNREFUSED" }));
      else if (why !== undefined)
        done(failed("unreachable", "unreachable: a router on the way said so (ICMP)"));
    });
    const send = (): void => {
      try {
        sockets.sendRaw(fd, to, packet);
      } catch (error) {
        done(fromErrno(error));
      }
    };
    const timers = REPEATS.map((delay) => setTimeout(send, delay));
    send();
    return () => {
      timers.forEach(clearTimeout);
      receiving.stop();
      failing.stop();
      sockets.close(fd);
      sockets.close(errors);
    };
  });
}

/** Runs a probe until its first result or its time-out, and tidies up after it exactly once. */
function settle(
  timeoutMs: number,
  start: (done: (result: ProbeResult) => void) => () => void,
): Promise<ProbeResult> {
  return new Promise((resolve) => {
    let stop: (() => void) | undefined;
    let result: ProbeResult | undefined;
    const finish = (found: ProbeResult): void => {
      if (result) return;
      result = found;
      clearTimeout(timer);
      // The first result may come while the probe is still being set up.
      if (stop) stop();
      resolve(found);
    };
    // A busy process sees its timers before its sockets: what has come by now still counts.
    const timer = setTimeout(() => setImmediate(() => finish(timedOut(timeoutMs))), timeoutMs);
    stop = start(finish);
    if (result) stop();
  });
}

/** Returns the address in a responder's first line, undefined while the line is not complete or is no address. */
function seenIn(text: string): string | undefined {
  const found = /^([0-9a-f.:]+)\n/i.exec(text);
  return found?.[1];
}
