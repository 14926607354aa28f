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

/** The first row of a table: what its columns are. */
export function Head({ columns }: { readonly columns: readonly string[] }) {
  return (
    <thead>
      <tr>
        {columns.map((name) => (
          <th key={name} scope="col">
            {name}
          </th>
        ))}
      </tr>
    </thead>
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

/** How full something is: a bar, and the figures as text. */
export function Fill({
  used,
  total,
  note,
}: {
  readonly used: number;
  readonly total: number;
  readonly note?: string;
}) {
  const share = total > 0 ? Math.min(1, used / total) : 0;
  const state = share >= 0.95 ? "full" : share >= 0.8 ? "high" : "fine";
  return (
    <span class="fill">
      <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" class={state}>
        <rect width="100" height="8" class="track" />
        <rect width={Math.max(share * 100, used > 0 ? 1 : 0)} height="8" class="level" />
      </svg>
      <span class="figures">
        {used} of {total}
        {note}
      </span>
    </span>
  );
}

/** Returns a time as people read it: the clock today, with the day before that. */
export function timeText(stamp: string | null | undefined): string {
  if (stamp === null || stamp === undefined || stamp === "") return "–";
  const time = new Date(stamp);
  if (Number.isNaN(time.getTime())) return stamp;
  const isToday = time.toDateString() === new Date().toDateString();
  const clock = time.toTimeString().slice(0, 8);
  return isToday ? clock : `${time.toLocaleDateString()} ${clock}`;
}
