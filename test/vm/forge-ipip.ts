// `forge-ipip.ts NODE POD`: sends NODE one IP in IP packet (RFC 2003) that holds an ICMP echo request for POD, as from a pod that
// there is none of.
import { checksum, echoRequest, ICMP } from "../../src/agent/probe/icmp.ts";
import { linuxMachine } from "../../src/kernel/index.ts";

const IPIP = 4;
const [to = "", pod = ""] = process.argv.slice(2);

const address = (text: string) => Buffer.from(text.split(".").map(Number));
const echo = echoRequest(4, 7);
const header = Buffer.concat([
  Buffer.from([0x45, 0, 0, 20 + echo.length, 0, 1, 0, 0, 64, ICMP[4].protocol, 0, 0]),
  address("10.1.255.254"),
  address(pod),
]);
header.writeUInt16BE(checksum(header), 10);

const kernel = linuxMachine().open("self");
const socket = kernel.sockets.openRaw(4, IPIP);
kernel.sockets.sendRaw(socket, to, Buffer.concat([header, echo]));
kernel.sockets.close(socket);
kernel.close();
