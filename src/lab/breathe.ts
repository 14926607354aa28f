/** Writes to a lab's store are synchronous: after so many in a row, others of its process get their turn. */
const IN_A_ROW = 64;

/** Lets other work of this process run, once after many writes. `at`: how many there were before this one. */
export async function breathe(at: number): Promise<void> {
  if (at % IN_A_ROW === IN_A_ROW - 1) await new Promise((resolve) => setImmediate(resolve));
}
