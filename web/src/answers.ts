// Answers as pages use them: asked again where the question changes, and where objects have changed.
import { useEffect, useState } from "preact/hooks";
import { ask } from "./client.ts";

export interface Asked<T> {
  readonly answer: T | undefined;
  readonly error: string | undefined;
  readonly busy: boolean;
}

/**
 * Asks for a path; undefined: nothing is asked.
 * @param age the answer is asked for again where it changes; the old one stays until the new one is there
 */
export function useAnswer<T>(path: string | undefined, age: unknown = 0): Asked<T> {
  const [state, setState] = useState<Asked<T> & { readonly path: string | undefined }>({
    path,
    answer: undefined,
    error: undefined,
    busy: path !== undefined,
  });
  useEffect(() => {
    if (path === undefined) {
      setState({ path, answer: undefined, error: undefined, busy: false });
      return undefined;
    }
    const ending = new AbortController();
    setState((before) => ({ ...before, busy: true }));
    ask<T>(path, ending.signal).then(
      (answer) => setState({ path, answer, error: undefined, busy: false }),
      (error: unknown) => {
        if (!ending.signal.aborted) setState({ path, answer: undefined, error: wordsOf(error), busy: false });
      },
    );
    return () => ending.abort();
  }, [path, age]);
  return state;
}

/** Returns what to tell a person of an error. */
export function wordsOf(error: unknown): string {
  if (error instanceof TypeError) return "The server does not answer. Does `trunkline ui` still run?";
  return error instanceof Error ? error.message : String(error);
}
