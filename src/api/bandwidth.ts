// How much a pod may send and receive, as its annotations say it. Two families: Kubernetes' own, in bits a second
// (resource.Quantity, 1k to 1P), and Terway's, in bytes a second with a unit of 1024. Of one direction Kubernetes' counts.
import { quantityAmount } from "./rules/quantity.ts";

/** ingress: to the pod. */
export type Direction = "ingress" | "egress";
export const directions: readonly Direction[] = ["ingress", "egress"];

export interface BandwidthLimit {
  readonly bytesPerSecond: number;
  /** The annotation that says it. */
  readonly annotation: string;
}

export interface BandwidthFault {
  readonly annotation: string;
  readonly value: string;
  readonly why: string;
}

export interface PodBandwidth {
  readonly limits: Readonly<Partial<Record<Direction, BandwidthLimit>>>;
  /** What cannot be read. Who has one of these has no limits that anybody meant. */
  readonly faults: readonly BandwidthFault[];
}

type Parsed = { readonly bytesPerSecond: number } | { readonly why: string };

const families: readonly { readonly prefix: string; readonly parse: (text: string) => Parsed | undefined }[] =
  [
    { prefix: "kubernetes.io", parse: ofKubernetes },
    { prefix: "k8s.aliyun.com", parse: ofTerway },
  ];

/** Returns the limits that a pod's annotations ask for. */
export function bandwidthOf(annotations: Readonly<Record<string, string>> | undefined): PodBandwidth {
  const limits: Partial<Record<Direction, BandwidthLimit>> = {};
  const faults: BandwidthFault[] = [];
  if (annotations === undefined) return { limits, faults };
  for (const direction of directions)
    for (const { prefix, parse } of families) {
      const annotation = `${prefix}/${direction}-bandwidth`;
      const value = annotations[annotation];
      const parsed = value === undefined ? undefined : parse(value);
      if (value === undefined || parsed === undefined) continue;
      if ("why" in parsed) faults.push({ annotation, value, why: parsed.why });
      else limits[direction] ??= { bytesPerSecond: parsed.bytesPerSecond, annotation };
    }
  return { limits, faults };
}

const LEAST_BITS = 1e3;
const MOST_BITS = 1e15;

/** As kubelet reads it (pkg/util/bandwidth). */
function ofKubernetes(text: string): Parsed {
  const bits = quantityAmount(text);
  if (bits === undefined) return { why: "it is to be a quantity of bits a second, such as 10M" };
  if (bits < LEAST_BITS || bits > MOST_BITS) return { why: "it is to be from 1k to 1P bits a second" };
  return { bytesPerSecond: Math.max(1, Math.round(bits / 8)) };
}

const units = "BKMGT";
const terwayForm = /^(\d+(?:\.\d*)?|\.\d+)\s*(?:([KMGT])(?:I?B)?|B)$/;

/** As Terway's daemon reads it, where an empty text is none. */
function ofTerway(text: string): Parsed | undefined {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  const [, digits, letter = "B"] = terwayForm.exec(trimmed.toUpperCase()) ?? [];
  if (digits === undefined)
    return { why: "it is to be a number of bytes a second with a unit: B, K, M, G or T, such as 10M" };
  const bytes = Math.floor(Number(digits) * 1024 ** units.indexOf(letter));
  if (bytes < LEAST_BITS / 8 || bytes > MOST_BITS / 8)
    return { why: "it is to be from 125B to 113T a second" };
  return { bytesPerSecond: bytes };
}

const decimals = ["", "k", "M", "G", "T", "P"];

/** Returns a rate in words: `10 Mbit/s`. */
export function bitRateText(bytesPerSecond: number): string {
  let amount = bytesPerSecond * 8;
  let at = 0;
  while (amount >= 1000 && at < decimals.length - 1) {
    amount /= 1000;
    at++;
  }
  return `${Number(amount.toFixed(3))} ${decimals[at]}bit/s`;
}
