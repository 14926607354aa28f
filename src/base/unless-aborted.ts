/**
 * Settles as the work does, or with undefined as soon as `signal` aborts: what hangs must not hold up the end. What becomes
 * of the work after that is nobody's affair.
 */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const aborted = Promise.withResolvers<undefined>();
  const end = () => aborted.resolve(undefined);
  if (signal.aborted) end();
  else signal.addEventListener("abort", end, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", end);
  }
}
