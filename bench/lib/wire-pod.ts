// Pods as an API server sends them in Protocol Buffers, for the bench's own one: all that its pods say, by the numbers of
// k8s.io/api, core/v1/generated.proto, and k8s.io/apimachinery, meta/v1/generated.proto.

type Json = Readonly<Record<string, unknown>>;
type Encode = (value: never) => Buffer;
type Table = Readonly<Record<string, readonly [number: number, encode: Encode, kind?: "list" | "map"]>>;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 0x80; left = Math.floor(left / 0x80)) bytes.push((left % 0x80) | 0x80);
  return Buffer.from([...bytes, left]);
}

function tagged(number: number, type: number, content: Buffer): Buffer {
  const size = type === 2 ? varint(content.length) : Buffer.alloc(0);
  return Buffer.concat([varint(8 * number + type), size, content]);
}

const text: Encode = (value: string) => Buffer.from(value);
const whole: Encode = (value: number | boolean) => varint(Number(value));
const time: Encode = (value: string | null) =>
  value === null ? Buffer.alloc(0) : tagged(1, 0, varint(Date.parse(value) / 1000));

function message(table: Table): Encode {
  return (object: Json) => {
    const parts: Buffer[] = [];
    for (const [name, value] of Object.entries(object)) {
      const field = table[name];
      if (field === undefined) throw new Error(`the bench's pods have no number for ${name}`);
      const [number, encode, kind] = field;
      const type = encode === whole ? 0 : 2;
      const each = kind === "list" ? (value as never[]) : [value as never];
      if (kind === "map")
        for (const [key, one] of Object.entries(value as Record<string, string>))
          parts.push(
            tagged(
              number,
              2,
              Buffer.concat([tagged(1, 2, Buffer.from(key)), tagged(2, 2, Buffer.from(one))]),
            ),
          );
      else for (const one of each) parts.push(tagged(number, type, encode(one)));
    }
    return Buffer.concat(parts);
  };
}

const owner = message({
  apiVersion: [5, text],
  kind: [1, text],
  name: [3, text],
  uid: [4, text],
  controller: [6, whole],
  blockOwnerDeletion: [7, whole],
});
const managed = message({
  manager: [1, text],
  operation: [2, text],
  apiVersion: [3, text],
  time: [4, time],
  fieldsV1: [7, () => Buffer.alloc(0)],
});
const meta = message({
  name: [1, text],
  generateName: [2, text],
  namespace: [3, text],
  uid: [5, text],
  resourceVersion: [6, text],
  creationTimestamp: [8, time],
  labels: [11, text, "map"],
  annotations: [12, text, "map"],
  ownerReferences: [13, owner, "list"],
  managedFields: [17, managed, "list"],
});
const quantity = message({ string: [1, text] });
const quantities: Encode = (value: Record<string, string>) =>
  Buffer.concat(
    Object.entries(value).map(([key, string]) =>
      tagged(
        2,
        2,
        Buffer.concat([tagged(1, 2, Buffer.from(key)), tagged(2, 2, quantity({ string } as never))]),
      ),
    ),
  );
const container = message({
  name: [1, text],
  image: [2, text],
  ports: [6, message({ name: [1, text], containerPort: [3, whole], protocol: [4, text] }), "list"],
  env: [7, message({ name: [1, text], value: [2, text] }), "list"],
  resources: [8, ({ requests }: { requests: never }) => quantities(requests)],
  volumeMounts: [9, message({ name: [1, text], readOnly: [2, whole], mountPath: [3, text] }), "list"],
});
const spec = message({
  volumes: [1, ({ name }: { name: string }) => tagged(1, 2, Buffer.from(name)), "list"],
  containers: [2, container, "list"],
  restartPolicy: [3, text],
  serviceAccountName: [8, text],
  nodeName: [10, text],
  schedulerName: [19, text],
  tolerations: [22, message({ key: [1, text], operator: [2, text], effect: [4, text] }), "list"],
});
const condition = message({
  type: [1, text],
  status: [2, text],
  lastProbeTime: [3, time],
  lastTransitionTime: [4, time],
});
const containerStatus = message({
  name: [1, text],
  state: [2, () => Buffer.alloc(0)],
  ready: [4, whole],
  restartCount: [5, whole],
  image: [6, text],
  imageID: [7, text],
});
const status = message({
  phase: [1, text],
  conditions: [2, condition, "list"],
  hostIP: [5, text],
  podIP: [6, text],
  startTime: [7, time],
  containerStatuses: [8, containerStatus, "list"],
  podIPs: [12, message({ ip: [1, text] }), "list"],
});
const pod = message({ metadata: [1, meta], spec: [2, spec], status: [3, status] });

const typeMeta = Buffer.concat([tagged(1, 2, Buffer.from("v1")), tagged(2, 2, Buffer.from("Pod"))]);

/** Returns an event of a watch about a pod, with its size before it. */
export function podFrame(type: string, object: object): Buffer {
  const raw = Buffer.concat([
    Buffer.from("k8s\0"),
    tagged(1, 2, typeMeta),
    tagged(2, 2, pod(object as never)),
  ]);
  const event = Buffer.concat([tagged(1, 2, Buffer.from(type)), tagged(2, 2, tagged(1, 2, raw))]);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(event.length);
  return Buffer.concat([size, event]);
}
