// IPsec's policies (ip-xfrm(8), linux/xfrm.h), which may refuse packets or pack them in: how many there are is all that is asked.
import { Errno } from "../ffi/libc.ts";
import { refusal } from "../ffi/refusal.ts";
import { NETLINK_XFRM, NetlinkSocket } from "../netlink/socket.ts";
import type { Context } from "./context.ts";

const GET_POLICY = 0x15;
/** struct xfrm_userpolicy_id, in words: of a dump nothing in it counts. */
const ID_WORDS = 16;
/** Sockets have policies of their own: their direction is beyond in, out and forward. */
const SOCKET_DIRECTIONS = 3;
/** Where struct xfrm_userpolicy_info has the direction. */
const DIRECTION = 160;

/** Returns how many policies somebody has put into a namespace. @throws `kernel.refused` */
export function ipsecPolicies(context: Context): number {
  const attempt = (): string => "list IPsec policies";
  context.check(attempt);
  let count = 0;
  let socket: NetlinkSocket;
  try {
    socket = context.inside(() => new NetlinkSocket(NETLINK_XFRM));
  } catch {
    // A kernel without IPsec has no such socket.
    return 0;
  }
  try {
    const { errno, text } = socket.dump(
      GET_POLICY,
      (writer) => {
        for (let word = 0; word < ID_WORDS; word++) writer.u32(0);
      },
      attempt,
      ({ bytes, from }) => {
        if (bytes[from + DIRECTION]! < SOCKET_DIRECTIONS) count++;
      },
      () => {
        count = 0;
      },
    );
    if (errno !== 0 && errno !== Errno.ENOENT) throw refusal(attempt(), errno, text);
    return count;
  } finally {
    socket.close();
  }
}
