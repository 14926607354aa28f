// `forge-ipip.ts NODE POD`: sends NODE one IP in IP packet (RFC 2003) that holds an ICMP echo request for POD, as from a pod that
// there is none of.
import { linuxMachine } from "../../src/kernel/index.ts";

const IPIP = 4;
const [to = "", pod = ""] = process.argv.slice(2);

function sum(bytes: Buffer): number {
  let total = 0;
  for (let at = 0; at < bytes.length; at += 2) total += bytes.readUInt16BE(at);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return ~total & 0xffff;
}

const address = (text: string) => Buffer.from(text.split(".").map(Number));
const echo = Buffer.from([8, 0, 0, 0, 0, 7, 0, 1]);
echo.writeUInt16BE(sum(echo), 2);
const header = Buffer.concat([
  Buffer.from([0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0, 0]),
  address("10.1.255.254"),
  address(pod),
]);
header.writeUInt16BE(sum(header), 10);

const kernel = linuxMachine().open("self");
const socket = kernel.sockets.openRaw(4, IPIP);
kernel.sockets.sendRaw(socket, to, Buffer.concat([header, echo]));
kernel.sockets.close(socket);
kernel.close();
