// POSIX tar (ustar, with pax headers for long names), the same bytes for the same files: sorted, without times and owners.
export type Entry =
  | { readonly type: "folder"; readonly mode: number }
  | { readonly type: "file"; readonly mode: number; readonly content: Buffer }
  | { readonly type: "link"; readonly to: string };

const block = 512;

/** Returns an archive of entries by path (without a leading slash), in the paths' order. */
export function tar(entries: ReadonlyMap<string, Entry>): Buffer {
  const parts: Buffer[] = [];
  for (const [path, entry] of [...entries].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const name = entry.type === "folder" ? `${path}/` : path;
    const to = entry.type === "link" ? entry.to : "";
    const long = [
      ...(Buffer.byteLength(name) > 100 ? [pax("path", name)] : []),
      ...(Buffer.byteLength(to) > 100 ? [pax("linkpath", to)] : []),
    ].join("");
    if (long !== "") parts.push(header("pax", 0o644, long.length, "x", ""), padded(Buffer.from(long)));
    if (entry.type === "file") {
      parts.push(header(name, entry.mode, entry.content.length, "0", ""), padded(entry.content));
    } else if (entry.type === "folder") parts.push(header(name, entry.mode, 0, "5", ""));
    else parts.push(header(name, 0o777, 0, "2", to));
  }
  parts.push(Buffer.alloc(2 * block));
  return Buffer.concat(parts);
}

/** A record says its own length, which depends on how many digits that has. */
function pax(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = Buffer.byteLength(rest) + 1;
  while (String(length).length + Buffer.byteLength(rest) !== length)
    length = String(length).length + Buffer.byteLength(rest);
  return `${length}${rest}`;
}

function padded(content: Buffer): Buffer {
  const rest = content.length % block;
  return rest === 0 ? content : Buffer.concat([content, Buffer.alloc(block - rest)]);
}

function header(name: string, mode: number, size: number, type: string, to: string): Buffer {
  const out = Buffer.alloc(block);
  const octal = (value: number, at: number, width: number) =>
    out.write(`${value.toString(8).padStart(width - 1, "0")}\0`, at, "latin1");
  out.write(Buffer.from(name).subarray(0, 100).toString("latin1"), 0, "latin1");
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  out.write("        ", 148, "latin1");
  out.write(type, 156, "latin1");
  out.write(Buffer.from(to).subarray(0, 100).toString("latin1"), 157, "latin1");
  out.write("ustar\0" + "00", 257, "latin1");
  let sum = 0;
  for (const byte of out) sum += byte;
  out.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return out;
}
