// Options before the command, as in `trunkline -n shop get pods`.

const leading = new Set(["-n", "--namespace", "--lab", "--store"]);

/** Returns the words with such options moved behind the command's own, where its parser looks for them. */
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
