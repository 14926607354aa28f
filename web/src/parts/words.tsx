// Small parts that all pages share.
import type { ComponentChildren } from "preact";
import type { Verdict } from "../../../src/ui/api.ts";
import { go, type Place, searchOf } from "../place.ts";

interface LinkProps {
  readonly to: Place;
  readonly current?: boolean;
  readonly children: ComponentChildren;
}

/** A link within the page; with a modifier it opens as any other. */
export function Link({ to, current, children }: LinkProps) {
  return (
    <a
      href={`/${searchOf(to)}`}
      aria-current={current ? "page" : undefined}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
        event.preventDefault();
        go(to);
      }}
    >
      {children}
    </a>
  );
}

/** What stands where there is nothing to show: why, and what to do. */
export function Empty({
  title,
  children,
}: {
  readonly title: string;
  readonly children?: ComponentChildren;
}) {
  return (
    <section class="empty">
      <h2>{title}</h2>
      {children}
    </section>
  );
}

export function Failed({ error }: { readonly error: string }) {
  return (
    <p class="failed" role="alert">
      {error}
    </p>
  );
}

const verdicts = { yes: "allowed", no: "denied", unknown: "cannot tell" } as const;
const marks = { yes: "✓", no: "✕", unknown: "?" } as const;

/** A verdict as colour, shape and word, each of which is enough. */
export function Mark({
  verdict,
  children,
}: {
  readonly verdict: Verdict;
  readonly children?: ComponentChildren;
}) {
  return (
    <span class={`mark ${verdict}`}>
      <span class="shape" aria-hidden="true">
        {marks[verdict]}
      </span>
      {children ?? verdicts[verdict]}
    </span>
  );
}
