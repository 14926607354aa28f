import { describe, expect, it } from "vitest";
import { unfollowed } from "../../kernel/foreign-tables.ts";
import { rulesetOf } from "../foreign/index.ts";
import { foreignSay } from "./obstacles.ts";

const iptables = (...rules: string[]) =>
  rulesetOf({
    iptables: [
      {
        store: "iptables-nft",
        family: 4,
        text: `*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [3:9]\n:OUTPUT ACCEPT [0:0]\n:X - [0:0]\n${rules.join("\n")}\nCOMMIT\n`,
      },
    ],
    nft: [],
    unreadable: [],
  });
const obstacle = (...rules: string[]) => foreignSay(iptables(...rules), ["eth0"]).obstacle;

describe("others' rules in the way of open connections", () => {
  it.each([
    ["refuse by address", "-A FORWARD -s 10.9.0.0/16 -j DROP"],
    ["refuse in a chain that is called", "-A FORWARD -j X", "-A X -p tcp -j REJECT"],
    ["refuse what comes in by any pod's link", "-A FORWARD -i tl+ -j DROP"],
    ["refuse what leaves by the uplink", "-A FORWARD -o eth+ -j DROP"],
    ["refuse by something that is not known", "-A FORWARD -m recent --name x -j DROP"],
    ["refuse whatever is not new", "-A FORWARD -m conntrack ! --ctstate NEW -j DROP"],
    ["refuse whatever was translated", "-A FORWARD -m conntrack --ctstate DNAT -j DROP"],
    ["refuse by flags that open ones have", "-A FORWARD -p tcp -m tcp --tcp-flags SYN,ACK ACK -j DROP"],
    ["mark", "-A FORWARD -s 10.1.0.0/16 -j MARK --set-xmark 0x1/0xffffffff"],
    ["do something that is not known", "-A FORWARD -j NFQUEUE --queue-num 1"],
  ])("they %s", (_, ...rules) => expect(obstacle(...rules)).toBeDefined());

  it.each([
    ["accept or return", "-A FORWARD -s 10.1.0.0/16 -j ACCEPT", "-A FORWARD -j X", "-A X -j RETURN"],
    [
      "refuse what belongs to no connection (kube-proxy)",
      "-A FORWARD -m conntrack --ctstate INVALID -j DROP",
    ],
    ["refuse new connections", "-A FORWARD -m conntrack --ctstate NEW -j X", "-A X -j REJECT"],
    ["refuse what opens a connection", "-A FORWARD -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP"],
    ["refuse flags that none has", "-A FORWARD -p tcp -m tcp --tcp-flags FIN,SYN FIN,SYN -j DROP"],
    ["refuse what does not answer", "-A FORWARD -m conntrack ! --ctstate RELATED,ESTABLISHED -j DROP"],
    ["refuse among others' links (Docker)", "-A FORWARD -o docker0 -j X", "-A X -j DROP"],
    ["refuse other protocols", "-A FORWARD -p icmp -j DROP"],
    ["stand on hooks that forwarded packets do not pass", "-A INPUT -j DROP", "-A OUTPUT -j DROP"],
    ["count", "-A FORWARD -s 10.1.0.0/16"],
  ])("they do not stand there where they %s", (_, ...rules) => expect(obstacle(...rules)).toBeUndefined());

  it("are told with their chain", () => {
    expect(obstacle("-A FORWARD -s 10.9.0.0/16 -j DROP")).toMatch(/-s 10\.9\.0\.0\/16 -j DROP.*FORWARD/);
  });

  it("that could not be read are in the way, but for those of links", () => {
    const unread = (text: string) => foreignSay({ chains: new Map(), unreadable: [text] }, ["eth0"]).obstacle;
    expect(unread("legacy rules are loaded, but iptables-legacy-save is not installed")).toBeDefined();
    for (const [family, hook] of [
      ["netdev", "ingress"],
      ["inet", "ingress"],
      ["bridge", "forward"],
    ] as const)
      expect(unread(unfollowed({ family, table: "t", name: "c", hook }) ?? "")).toBeUndefined();
  });

  it("have another signature where something changed that open connections meet, and only then", () => {
    const sign = (...rules: string[]) => foreignSay(iptables(...rules), ["eth0"]).signature;
    const accept = "-A FORWARD -s 10.1.0.0/16 -j ACCEPT";
    expect(sign(accept)).not.toBe(sign());
    expect(sign(accept, "-A FORWARD -m conntrack --ctstate NEW -j DROP")).toBe(sign(accept));
    expect(sign(accept, "-A INPUT -j DROP")).toBe(sign(accept));
  });
});
