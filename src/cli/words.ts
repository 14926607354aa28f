// The words of a command line as kubectl's parser reads them, turned into what ours reads.

const leading = new Set(["-n", "--namespace", "--lab", "--store"]);
/** Options whose value may be left out, with what then holds: a value is only what stands behind `=`. */
const usual = new Map([
  ["--dry-run", { value: "client", values: ["client", "server", "none"] }],
  ["--wait", { value: "true", values: ["true", "false"] }],
]);

/** Returns the words with such options made whole, so that `delete --dry-run pod/web` takes no pod for a value. */
export function withUsualValues(words: readonly string[]): readonly string[] {
  // Other commands may hand words on to a program.
  if (words[0] !== "apply" && words[0] !== "delete") return words;
  return words.map((word, at) => {
    const option = usual.get(word);
    return !option || option.values.includes(words[at + 1] ?? "") ? word : `${word}=${option.value}`;
  });
}

/**
 * Returns the words with options that stand before the command, as in `-n shop get pods`, moved behind the command's
 * own, where its parser looks for them.
 */
export function commandFirst(words: readonly string[]): readonly string[] {
  let count = 0;
  for (let word = words[count]; word !== undefined; word = words[count]) {
    if (leading.has(word)) count += 2;
    else if (leading.has(word.split("=")[0] ?? "")) count += 1;
    else break;
  }
  if (count === 0 || count >= words.length) return words;
  const rest = words.slice(count);
  // What stands behind -- is somebody else's.
  const end = rest.includes("--") ? rest.indexOf("--") : rest.length;
  return [...rest.slice(0, end), ...words.slice(0, count), ...rest.slice(end)];
}
