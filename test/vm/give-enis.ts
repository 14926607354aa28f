// Gives pods of a lab interfaces of their own, by hand: POD=vSwitch:group[:trunk] … `trunk`: as members of node1's trunk.
import { labPaths } from "../../src/lab/life/state.ts";
import { HandMadeEnis } from "../long/hand-made-enis.ts";

const [lab = "", ...wishes] = process.argv.slice(2);
const enis = new HandMadeEnis(lab, labPaths(lab));
const trunk = await enis.trunk("node1", "vsw-1", "sg-base");
for (const wish of wishes) {
  const [name = "", vSwitchID = "", group = "", kind] = wish.split(/[=:]/);
  await enis.give(name, { vSwitchID, groups: [group], ...(kind === "trunk" && { trunk }) });
}
await enis.close();
