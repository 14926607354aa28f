// Messages of an API server as tables: of each field that is kept its number, its name in JSON, and how it is read. What JSON
// leaves out because it is empty (Go's "omitempty") is left out here; what is a pointer in Go, or is always there, is kept.
import { Interned } from "../../../base/interned.ts";
import { sharedText } from "../kept.ts";
import type { WireReader } from "./reader.ts";

type Json = Record<string, unknown>;

/** Reads the field that the reader stands at into the object; what is there already is what earlier fields brought. */
type Take = (reader: WireReader, into: Json) => void;

export interface Field {
  readonly number: number;
  readonly take: Take;
}

/** Returns a reader of messages that have these fields; all others are skipped. What it returns is frozen by the caller. */
export function message(...fields: readonly Field[]): (reader: WireReader) => Json {
  const takes: (Take | undefined)[] = Array.from({
    length: Math.max(...fields.map((one) => one.number)) + 1,
  });
  for (const { number, take } of fields) takes[number] = take;
  return (reader) => {
    const object: Json = {};
    for (let number = reader.field(); number !== 0; number = reader.field()) {
      const take = takes[number];
      if (take === undefined) reader.skip();
      else take(reader, object);
    }
    return object;
  };
}

/** A text that is left out where it is empty. */
export function text(number: number, name: string): Field {
  return {
    number,
    take(reader, into) {
      const value = reader.text();
      if (value !== "") into[name] = value;
    },
  };
}

/** The same, where many objects have the same text. */
export function commonText(number: number, name: string): Field {
  return {
    number,
    take(reader, into) {
      const value = reader.text();
      if (value !== "") into[name] = sharedText(value);
    },
  };
}

/** A text that is kept where it is empty, too. */
export function anyText(number: number, name: string): Field {
  return {
    number,
    take(reader, into) {
      into[name] = sharedText(reader.text());
    },
  };
}

export function number(field: number, name: string): Field {
  return {
    number: field,
    take(reader, into) {
      const value = reader.number();
      if (value !== 0) into[name] = value;
    },
  };
}

export function anyNumber(field: number, name: string): Field {
  return {
    number: field,
    take(reader, into) {
      into[name] = reader.number();
    },
  };
}

export function anyTruth(field: number, name: string): Field {
  return {
    number: field,
    take(reader, into) {
      into[name] = reader.number() !== 0;
    },
  };
}

const times = new Interned<number, string>();

/** A moment (meta/v1 Time), as RFC 3339 with seconds; `empty` is what JSON has where there is none. */
export function time(field: number, name: string, empty?: null): Field {
  return {
    number: field,
    take(reader, into) {
      const found = timeOf(reader.message()) ?? empty;
      if (found !== undefined) into[name] = found;
    },
  };
}

/** Returns the moment that a message (meta/v1 Time) says, as RFC 3339 with seconds; undefined where it says none. */
export function timeOf(inner: WireReader): string | undefined {
  let seconds: number | undefined;
  for (let part = inner.field(); part !== 0; part = inner.field()) {
    if (part === 1) seconds = inner.number();
    else inner.skip();
  }
  return seconds === undefined ? undefined : times.get(seconds, () => timeText(seconds));
}

function timeText(seconds: number): string {
  return new Date(1000 * seconds).toISOString().replace(".000Z", "Z");
}

export function object(field: number, name: string, read: (reader: WireReader) => unknown): Field {
  return {
    number: field,
    take(reader, into) {
      into[name] = read(reader.message());
    },
  };
}

/** A repeated message. */
export function list(field: number, name: string, read: (reader: WireReader) => unknown): Field {
  return {
    number: field,
    take(reader, into) {
      const known = into[name] as unknown[] | undefined;
      const value = read(reader.message());
      if (known === undefined) into[name] = [value];
      else known.push(value);
    },
  };
}

/** A message that is read later, or by somebody else. */
export function raw(field: number, name: string): Field {
  return object(field, name, (reader) => reader);
}

/** Returns what a run of a map's entries says; their key is field 1, their value field 2. */
export function entries(fields: WireReader): Record<string, string> {
  const found: [string, string][] = [];
  while (fields.field() !== 0) {
    const entry = fields.message();
    let [key, value] = ["", ""];
    for (let part = entry.field(); part !== 0; part = entry.field()) {
      if (part === 1) key = entry.text();
      else if (part === 2) value = entry.text();
      else entry.skip();
    }
    found.push([key, value]);
  }
  return Object.fromEntries(found);
}

/** Returns what a run of a repeated message or text says. */
export function listOf<T>(read: (reader: WireReader) => T, fields: WireReader): T[] {
  const found: T[] = [];
  while (fields.field() !== 0) found.push(read(fields));
  return found;
}
