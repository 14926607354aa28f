// Changes objects at random, led by the types of their fields; and what was changed, as paths and values.
const texts = [
  "",
  "a",
  "x",
  "A_b",
  "-a",
  "a/b",
  "10.0.0.1",
  "10.0.0.0/8",
  "10.1.2.3/16",
  "::ffff:1.2.3.4",
  "::ffff:10.0.0.0/104",
  "010.0.0.0/8",
  "fd00::/64",
  "80",
  "http",
  "Always",
  "Never",
  "OnFailure",
  "TCP",
  "tcp",
  "Exists",
  "In",
  "Equal",
  "Gt",
  "NoSchedule",
  "NoExecute",
  "Default",
  "None",
  "ClusterFirst",
  "RollingUpdate",
  "OnDelete",
  "Recreate",
  "Parallel",
  "v",
  "c",
  "/x",
  "a b",
  "x".repeat(64),
  "x".repeat(254),
  "ü",
  "app",
  "1",
  "true",
  "kubernetes.io/hostname",
  "metadata.name",
  "linux",
  "100m",
  "Ingress",
  "Egress",
  "0/0",
  "::/0",
  "*",
  "a.b",
  "a..b",
  "A",
  "a-",
  "25%",
  "Indexed",
];
const ints = [0, 1, -1, 2, 80, 65535, 65536, 100, 101, 2147483647, 2147483648, 1.5, 30];
const odd = [null, 1, "x", true, [], {}, [null], -1];
const passedOver = new Set(
  "status managedFields ephemeralContainers namespace generateName deletionTimestamp kind apiVersion".split(
    " ",
  ),
);

/** Returns a source of changes; equal seeds give equal ones. `fields` is the text of kubernetes-fields.ts. */
export function mutator(fields, seed) {
  let state = seed;
  const random = (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296) * limit);
  };
  const pick = (list) => list[random(list.length)];
  const types = new Map(fields.trim().split("\n").map(typeOf));
  const plain = {
    text: () => pick(texts),
    int32: () => pick(ints),
    int64: () => pick(ints),
    bool: () => pick([true, false]),
    port: () => pick([...ints, ...texts]),
    quantity: () => pick(["1", "100m", "1Gi", 1, "-1", "x", "1.5", "", 0.5, "1e3"]),
    time: () => pick(["2026-01-01T00:00:00Z", "x", ""]),
    bytes: () => pick(["aGk=", "x", ""]),
    any: () => ({}),
  };

  function made(type, depth) {
    if (random(25) === 0) return pick(odd);
    if (type.startsWith("[]")) return Array.from({ length: random(3) }, () => made(type.slice(2), depth + 1));
    if (type.startsWith("{}")) {
      const names = Array.from({ length: random(3) }, () => pick([...texts, "app", "cpu", "memory"]));
      return Object.fromEntries(names.map((name) => [name, made(type.slice(2), depth + 1)]));
    }
    if (plain[type]) return plain[type]();
    const known = types.get(type);
    const wanted =
      depth > 5
        ? []
        : [...known].filter(([, field]) => (field.mark === "!" ? random(8) > 0 : random(known.size) < 2));
    return Object.fromEntries(wanted.map(([name, field]) => [name, made(field.type, depth + 1)]));
  }

  function changeOne(places) {
    const place = pick(places);
    const roll = random(10);
    const known = types.get(place.type);
    if (known && typeof place.value === "object" && place.value !== null && roll < 6) {
      const names = [...known].filter(([name]) => !passedOver.has(name));
      if (names.length === 0) return;
      const [name, field] = pick(names);
      place.value[name] = made(field.type, 2);
    } else if (place.type.startsWith("[]") && Array.isArray(place.value) && roll < 5)
      place.value.push(
        roll < 2 && place.value.length > 0
          ? structuredClone(pick(place.value))
          : made(place.type.slice(2), 2),
      );
    else if (place.set) place.set(roll < 7 ? made(place.type, 2) : undefined);
  }

  function change(base) {
    const object = structuredClone(base);
    const times = random(4) === 0 ? 2 : 1;
    for (let time = 0; time < times; time++) changeOne(placesOf(types, base.kind, object));
    return { ...object, apiVersion: base.apiVersion, kind: base.kind };
  }
  return { random, change };
}

function typeOf(line) {
  const [name, ...fields] = line.trim().split(" ");
  const read = fields.map((text) => {
    const [, field, mark, type] = /^(\w+)([*!]?):(\S+)$/.exec(text);
    return [field, { mark, type }];
  });
  return [name, new Map(read)];
}

function placesOf(types, type, value, set, found = []) {
  found.push({ type, value, set });
  if (typeof value !== "object" || value === null) return found;
  const inner = type.slice(2);
  const setter = (key) => (next) => {
    if (next !== undefined) value[key] = next;
    else if (Array.isArray(value)) value.splice(key, 1);
    else delete value[key];
  };
  if (type.startsWith("[]") && Array.isArray(value))
    for (const [at, item] of value.entries()) placesOf(types, inner, item, setter(at), found);
  else if (type.startsWith("{}"))
    for (const [key, item] of Object.entries(value)) placesOf(types, inner, item, setter(key), found);
  else
    for (const [key, field] of types.get(type) ?? [])
      if (Object.hasOwn(value, key)) placesOf(types, field.type, value[key], setter(key), found);
  return found;
}

/** Returns `[path, value]` for each part that differs; without a value, it is gone. Lists of other lengths are one part. */
export function changesBetween(before, after, path = []) {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  const both = [before, after];
  const objects = both.every((one) => typeof one === "object" && one !== null);
  if (!objects || Array.isArray(before) !== Array.isArray(after)) return [[path, after]];
  if (Array.isArray(before) && before.length !== after.length) return [[path, after]];
  return [...new Set(both.flatMap(Object.keys))].flatMap((key) => {
    const at = [...path, Array.isArray(before) ? Number(key) : key];
    return Object.hasOwn(after, key) ? changesBetween(before[key], after[key], at) : [[at]];
  });
}
