// Asking the server. The token comes behind `#` of the address, is taken out of it at once, and is kept for this tab alone.
import type { ApiError } from "../../src/ui/api.ts";

const KEY = "trunkline-token";

/** Takes the token out of the address, so that nobody who looks at it, or copies it, has the token. */
export function takeToken(): void {
  const found = /[#&]token=([\w-]+)/.exec(location.hash)?.[1];
  if (found === undefined) return;
  sessionStorage.setItem(KEY, found);
  history.replaceState(null, "", `${location.pathname}${location.search}`);
}

export function hasToken(): boolean {
  return sessionStorage.getItem(KEY) !== null;
}

/** Keeps a token that somebody typed, or the whole address that has it. */
export function setToken(text: string): void {
  const token = /token=([\w-]+)/.exec(text)?.[1] ?? text.trim();
  sessionStorage.setItem(KEY, token);
}

/** What the server refused, in its words. */
export class Refused extends Error {
  readonly code: string;

  constructor({ error }: ApiError) {
    super(error.message);
    this.code = error.code;
  }
}

export type Query = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/** Returns the path of a question; what is empty is left out. */
export function pathOf(name: string, query: Query = {}): string {
  const words = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    const values = Array.isArray(value) ? value : [value];
    for (const one of values) if (one !== undefined && one !== "") words.append(key, String(one));
  }
  const text = words.toString();
  return `/api/v1/${name}${text === "" ? "" : `?${text}`}`;
}

/** Asks for a path of `pathOf`. @throws Refused; TypeError where the server is away */
export async function ask<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await fetch(path, { headers: headers(), ...(signal && { signal }) });
  return read<T>(response);
}

/** @throws as `ask` */
export async function post<T>(name: string, body: unknown): Promise<T> {
  const response = await fetch(`/api/v1/${name}`, {
    method: "POST",
    headers: { ...headers(), "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return read<T>(response);
}

async function read<T>(response: Response): Promise<T> {
  const body: unknown = await response.json();
  if (response.ok) return body as T;
  throw new Refused(body as ApiError);
}

function headers(): Record<string, string> {
  return { authorization: `Bearer ${sessionStorage.getItem(KEY) ?? ""}` };
}

/** How long to wait before a stream that broke is opened again, ms. */
const AGAIN_MS = 2000;

/**
 * Follows server-sent events until the returned function is called; opens the stream anew where it breaks. Not an
 * EventSource: that can send no token but in the address.
 * @param state is told whether the stream is open
 */
export function follow(
  name: string,
  heard: (event: string, data: unknown) => void,
  state: (open: boolean) => void,
): () => void {
  const ending = new AbortController();
  const once = async () => {
    const response = await fetch(`/api/v1/${name}`, { headers: headers(), signal: ending.signal });
    if (!response.ok || !response.body) throw new TypeError(`stream ${name}: ${response.status}`);
    state(true);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = `${rest}${value}`.split("\n\n");
      rest = parts.pop() ?? "";
      for (const part of parts) {
        const event = /^event: (.*)$/m.exec(part)?.[1];
        const data = /^data: (.*)$/m.exec(part)?.[1];
        if (event !== undefined && data !== undefined) heard(event, JSON.parse(data));
      }
    }
  };
  const forever = async () => {
    while (!ending.signal.aborted) {
      // Whatever broke it, a server that is away for a while included: it is tried again.
      await once().catch(() => undefined);
      if (ending.signal.aborted) return;
      state(false);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  };
  void forever();
  return () => ending.abort();
}
