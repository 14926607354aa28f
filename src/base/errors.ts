// Errors are data: a stable code, the facts, and one place (messages/) that puts them into words.
import { type Catalog, catalog } from "./messages/index.ts";

export type ErrorCode = keyof Catalog;
export type ErrorData<C extends ErrorCode> = Parameters<Catalog[C]>[0];

/** Every error that Trunkline raises on purpose. `code` is stable, `data` holds the facts, `message` is for people. */
export class TrunklineError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = "TrunklineError";
  readonly code: C;
  readonly data: ErrorData<C>;

  constructor(code: C, data: ErrorData<C>, options?: { cause?: unknown }) {
    super(wording(code, data), options);
    this.code = code;
    this.data = data;
  }
}

/** Puts an error code and its facts into words. */
export function wording<C extends ErrorCode>(code: C, data: ErrorData<C>): string {
  const word = catalog[code] as (facts: ErrorData<C>) => string;
  return word(data);
}

/** Returns whether `error` is a TrunklineError, with that code if one is given. */
export function isError<C extends ErrorCode>(error: unknown, code?: C): error is TrunklineError<C> {
  return error instanceof TrunklineError && (code === undefined || error.code === code);
}

/** Returns the text of anything thrown, for logs and for wrapping. */
export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
