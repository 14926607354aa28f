// A CronJob's schedule, as Kubernetes reads it (robfig/cron v3, its standard form): minute, hour, day of the month, month
// and day of the week, or a word such as @daily. Pure.
import { parseGoDuration } from "../../base/go-duration.ts";

export interface Schedule {
  /** Returns the next time after `after`, both in milliseconds since 1970; undefined: none within five years. */
  next(after: number): number | undefined;
}

const MINUTE = 60_000;
const DAY = 86_400_000;
const MOST_DAYS = 5 * 366;
const words: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};
const months = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const days = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/**
 * Reads a schedule; undefined for one that no server takes.
 * @param timeZone an IANA name; absent: UTC
 */
export function readSchedule(text: string, timeZone = "UTC"): Schedule | undefined {
  const every = /^@every (\S+)$/.exec(text.trim())?.[1];
  if (every !== undefined) {
    const ms = parseGoDuration(every);
    // Never more often than once a second, and on whole seconds.
    if (ms === undefined) return undefined;
    const step = Math.max(1000, Math.floor(ms / 1000) * 1000);
    return { next: (after) => Math.floor(after / 1000) * 1000 + step };
  }
  const fields = (words[text.trim()] ?? text.trim()).split(/\s+/);
  if (fields.length !== 5) return undefined;
  const [minutes, hours, dates, month, weekday] = [
    valuesOf(fields[0]!, 0, 59),
    valuesOf(fields[1]!, 0, 23),
    valuesOf(fields[2]!, 1, 31),
    valuesOf(fields[3]!, 1, 12, months),
    valuesOf(fields[4]!, 0, 6, days),
  ];
  if (!minutes || !hours || !dates || !month || !weekday) return undefined;
  const isDay = (wall: Date) => {
    if (!month.set.has(wall.getUTCMonth() + 1)) return false;
    const isDate = dates.set.has(wall.getUTCDate());
    const isWeekday = weekday.set.has(wall.getUTCDay());
    // Where both are given, either will do.
    return dates.all || weekday.all ? isDate && isWeekday : isDate || isWeekday;
  };
  const times = [...hours.set]
    .toSorted((a, b) => a - b)
    .flatMap((hour) => [...minutes.set].toSorted((a, b) => a - b).map((minute) => hour * 60 + minute));
  return { next: (after) => nextTime(after, { isDay, times }, timeZone) };
}

/** Walks days of the zone's own calendar. */
function nextTime(
  after: number,
  { isDay, times }: { readonly isDay: (wall: Date) => boolean; readonly times: readonly number[] },
  timeZone: string,
): number | undefined {
  const start = after + offsetAt(after, timeZone);
  for (let day = Math.floor(start / DAY) * DAY, left = MOST_DAYS; left > 0; day += DAY, left--) {
    if (!isDay(new Date(day))) continue;
    for (const minutes of times) {
      const time = instantOf(day + minutes * MINUTE, timeZone);
      if (time !== undefined && time > after) return time;
    }
  }
  return undefined;
}

/** Returns when a clock on the wall shows a time; undefined: it leaves that out, being put forward. */
function instantOf(wall: number, timeZone: string): number | undefined {
  // The earlier one first: a clock that is put back shows it twice.
  const offsets = [wall - DAY, wall + DAY].map((near) => offsetAt(near, timeZone));
  return offsets.map((offset) => wall - offset).find((time) => time + offsetAt(time, timeZone) === wall);
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Returns how far a zone's clocks are ahead of UTC, in milliseconds. */
function offsetAt(instant: number, timeZone: string): number {
  if (timeZone === "UTC") return 0;
  const format =
    formats.get(timeZone) ??
    new Intl.DateTimeFormat("en", {
      timeZone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  formats.set(timeZone, format);
  const parts = new Map(format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]));
  const part = (name: Intl.DateTimeFormatPartTypes) => parts.get(name) ?? 0;
  const wall = Date.UTC(
    part("year"),
    part("month") - 1,
    part("day"),
    part("hour"),
    part("minute"),
    part("second"),
  );
  return wall - Math.floor(instant / 1000) * 1000;
}

/** The numbers that a field means, and whether it is `*`. */
interface Values {
  readonly set: ReadonlySet<number>;
  readonly all: boolean;
}

function valuesOf(
  text: string,
  least: number,
  most: number,
  names: readonly string[] = [],
): Values | undefined {
  const set = new Set<number>();
  let all = false;
  for (const range of text.split(",")) {
    const [, first = "", last, step] = /^(\*|\?|\w+)(?:-(\w+))?(?:\/(\d+))?$/.exec(range) ?? [];
    const numberOf = (word: string) => {
      const at = names.indexOf(word.toUpperCase());
      return at >= 0 ? at + least : /^\d+$/.test(word) ? Number(word) : Number.NaN;
    };
    const isAll = first === "*" || first === "?";
    const low = isAll ? least : numberOf(first);
    const high = isAll || (last === undefined && step !== undefined) ? most : numberOf(last ?? first);
    const by = step === undefined ? 1 : Number(step);
    if (!(low >= least && high <= most && low <= high && by > 0)) return undefined;
    for (let value = low; value <= high; value += by) set.add(value);
    all ||= isAll && by === 1;
  }
  return { set, all };
}
