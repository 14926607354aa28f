// One member of one set changes, in a table with 2,000 sets and as many chains: over our own netlink messages, beside
// the same transaction by libnftables, which looks at the table first.
import { linuxMachine } from "../../../src/kernel/index.ts";
import { changeText } from "../../../src/kernel/nft/text.ts";
import { rounds } from "../quick.ts";
import { quantile, type Row, row } from "../row.ts";

const COUNT = 2000;
const ROUNDS = rounds(200, 30);
const WARM_UP = 5;
const heading = { family: "inet", table: "many" } as const;
const definition = { key: ["ipv4_addr"] } as const;

export async function memberRows(): Promise<Row[]> {
  const machine = linuxMachine();
  machine.createNetns("member");
  const kernel = machine.open({ name: "member" });
  const { nft } = kernel;
  const each = (text: (n: number) => string): string =>
    Array.from({ length: COUNT }, (_, n) => text(n)).join("\n");
  await nft.run(
    `add table inet many\n${each((n) => `add set inet many s${n} { type ipv4_addr; }`)}\n${each((n) => `add chain inet many c${n}`)}`,
  );
  await nft.run(each((n) => `add rule inet many c${n} ip saddr @s${n} accept`));
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS + WARM_UP; round++)
    for (const [times, base] of round % 2 === 0
      ? ([
          [ours, 0],
          [theirs, 1],
        ] as const)
      : ([
          [theirs, 1],
          [ours, 0],
        ] as const)) {
      const member = [`10.${base}.${round >> 8}.${round & 255}`, ""] as const;
      const changes = [{ set: `s${round % COUNT}`, definition, remove: [], add: [member] }];
      const began = performance.now();
      if (times === ours) await nft.change(heading, changes);
      else await nft.run(changeText(heading, changes));
      if (round >= WARM_UP) times.push(performance.now() - began);
    }
  kernel.close();
  await machine.removeNetns("member");
  const text = "one member of a set changes in a table of 2,000 sets and 2,000 chains (peer: libnftables)";
  const bar = { of: "ours", at: "most", value: 1 } as const;
  return [
    row("policy.member.p50", `${text}, p50`, "ms", quantile(ours, 0.5), quantile(theirs, 0.5), bar),
    row("policy.member.p99", `${text}, p99`, "ms", quantile(ours, 0.99), quantile(theirs, 0.99)),
  ];
}
