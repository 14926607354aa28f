// Writes two lists into a sink in turns until it is killed. Arguments: the sink as JSON, the folder.
import { sinkOf } from "../../../src/sinks/make.ts";
import { longList, shortList } from "./lists.ts";

const [spec = "", folder = ""] = process.argv.slice(2);
const put = sinkOf(JSON.parse(spec) as Parameters<typeof sinkOf>[0]);
process.stdout.write("writes\n");
for (;;) for (const list of [longList, shortList]) await put(list, { netns: "self", folders: [folder] });
