// Listening to a log group of a namespace's rules (nfnetlink_log).
import { refusal } from "../ffi/refusal.ts";
import type { LoggedPacket, PacketLog } from "../kernel.ts";
import { eachMessage } from "../netlink/message.ts";
import { LogMessage, readLoggedPacket, writeLogBind } from "../netlink/packet-log.ts";
import {
  NETLINK_NETFILTER,
  NetlinkSocket,
  receiveEvent,
  SOCK_NONBLOCK,
  setReceiveBuffer,
} from "../netlink/socket.ts";
import type { Context } from "./context.ts";
import { onReadable } from "./poller.ts";

const RECEIVE_BUFFER = 1 << 20;
/** Bytes of each packet; a rule may ask for less. */
const COPY = 256;
/** Datagrams read in one go before other work gets its turn. */
const BURST = 64;
/** Nobody waits for these packets: they are heard together. */
const REST_MS = 50;

/** Makes this process the group's listener until `stop` is called. @throws `kernel.refused`, `kernel.permission` (another listens) */
export function listenToLog(
  context: Context,
  group: number,
  onPackets: (packets: readonly LoggedPacket[], lost: number) => void,
): PacketLog {
  const attempt = (): string => `listen to log group ${group}`;
  context.check(attempt);
  const socket = context.inside(() => new NetlinkSocket(NETLINK_NETFILTER, SOCK_NONBLOCK));
  try {
    setReceiveBuffer(socket.fd, RECEIVE_BUFFER);
    const { errno, text } = socket.tryRequest(
      LogMessage.config,
      0,
      (writer) => writeLogBind(writer, group, COPY),
      attempt,
    );
    if (errno !== 0) throw refusal(attempt(), errno, text);
  } catch (error) {
    socket.close();
    throw error;
  }
  let expected: number | undefined;
  let listening = true;
  const read = (): void => {
    const packets: LoggedPacket[] = [];
    let lost = 0;
    for (let left = BURST; left > 0; left--) {
      const { bytes, result } = receiveEvent(socket.fd);
      if (result === "empty") break;
      // The numbers of the next packets tell how many these were.
      if (result === "lost") continue;
      eachMessage(bytes, result.length, (message) => {
        const packet = readLoggedPacket(message);
        if (packet === undefined) return undefined;
        if (expected !== undefined) lost += (packet.sequence - expected) >>> 0;
        expected = (packet.sequence + 1) >>> 0;
        packets.push(packet);
        return undefined;
      });
    }
    if (packets.length > 0 && listening) onPackets(packets, lost);
  };
  const watcher = onReadable(socket.fd, read, REST_MS);
  const stop = (): void => {
    if (!listening) return;
    listening = false;
    forget();
    watcher.stop();
    socket.close();
  };
  const forget = context.onClose(stop);
  return { stop };
}
