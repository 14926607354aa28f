// A file by itself: for programs that nobody has thought of yet.
import { type ListForm, listText } from "../explain/allowlist/formats.ts";
import { allowedPath, replaceFile, textIn } from "./files.ts";
import type { SinkList, SinkMaker } from "./sink.ts";

export const fileSink: SinkMaker<"file"> =
  ({ path, form = "text" }) =>
  async (list, { folders }) => {
    const file = await allowedPath(path, folders);
    const text = writers[form](list);
    if ((await textIn(file)) !== text) await replaceFile(file, text);
  };

const writers = {
  text: ({ ranges }: SinkList) => [...ranges, ""].join("\n"),
  json: listJson,
  csv: (list: SinkList) => formed(list, "csv"),
};

/** Returns the list as JSON for programs. */
export function listJson({ to, name, ranges, sources }: SinkList): string {
  return `${JSON.stringify({ list: name, to, ranges, sources }, undefined, 2)}\n`;
}

/** Returns the list in the words of one of those that admit. */
export function formed(list: SinkList, form: ListForm): string {
  return listText(
    { to: list.to, for: `AddressList/${list.name}`, ranges: list.ranges, sources: list.sources },
    form,
  );
}
