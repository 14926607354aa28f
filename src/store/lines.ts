// A stream's lines, as servers send the events of a watch.
/** More than this in one line is no line of a sane server, bytes. */
const longestLine = 256 << 20;

/**
 * Yields the lines of a body in UTF-8, without their ends, as many at a time as came together; what follows the last line's
 * end is half a line, and dropped.
 */
export async function* linesOf(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<readonly string[], void, void> {
  let held: Uint8Array[] = [];
  let size = 0;
  for await (const part of body) {
    const whole: string[] = [];
    let from = 0;
    for (let at = part.indexOf(10); at >= 0; at = part.indexOf(10, from)) {
      held.push(part.subarray(from, at));
      whole.push(Buffer.concat(held).toString("utf8"));
      held = [];
      size = 0;
      from = at + 1;
    }
    if (from < part.length) held.push(part.subarray(from));
    size += part.length - from;
    if (size > longestLine) throw new Error(`a line is longer than ${longestLine} bytes`);
    if (whole.length > 0) yield whole;
  }
}
