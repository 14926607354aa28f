// `--quick`: the same measurements with fewer rounds, to see whether something slipped; bars are judged by full runs.

export const isQuick = process.argv.includes("--quick");

/** Returns how many rounds are run: all of them, or that many with `--quick`. */
export function rounds(full: number, quick: number): number {
  return isQuick ? quick : full;
}
