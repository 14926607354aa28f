// How descriptions are laid out: a name, and behind it one line or several.

export type Line = readonly [name: string, value: string];
export type Lines = readonly Line[];

const column = 16;

/** Returns lines with their values in one column; a value of several lines stands below itself. */
export function lines(all: Lines): string {
  return all
    .map(([name, value]) => {
      const [first = "", ...more] = value.split("\n");
      const head = `${name}:`.padEnd(column);
      return [
        `${head}${head.endsWith(" ") ? "" : " "}${first}`,
        ...more.map((text) => " ".repeat(column) + text),
      ].join("\n");
    })
    .join("\n");
}

export function heading(name: string): string {
  return `${name}:`;
}

/** Returns the text, moved to the right. */
export function nested(text: string, by = 2): string {
  return text
    .split("\n")
    .map((line) => " ".repeat(by) + line)
    .join("\n");
}
