// What names, labels and names of ports may look like.

/** RFC 1123 subdomain. */
export const subdomainForm = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** Returns what is wrong with an RFC 1123 subdomain, or undefined. */
export function whyNotSubdomain(name: string): string | undefined {
  if (name.length > 253) return "is longer than 253 characters";
  if (subdomainForm.test(name)) return undefined;
  return `'${name}' must consist of lower-case letters, digits, '-' and '.', and begin and end with a letter or digit`;
}

/** Returns what is wrong with an RFC 1123 label, or undefined. */
export function whyNotLabel(name: string): string | undefined {
  if (name.length > 63) return "is longer than 63 characters";
  if (/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name)) return undefined;
  return `'${name}' must consist of lower-case letters, digits and '-', and begin and end with a letter or digit`;
}

/** What a label's value, and a key without a prefix, may be. */
const word = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/** Returns what is wrong with the key of a label or annotation, or undefined. */
export function whyNotQualifiedName(key: string): string | undefined {
  // Nearly all are such, and large clusters have very many.
  if (word.test(key)) return undefined;
  const [name = "", prefix, ...more] = key.split("/").toReversed();
  if (more.length > 0) return `'${key}' has more than one '/'`;
  if (prefix !== undefined && whyNotSubdomain(prefix) !== undefined)
    return `'${prefix}' is not a domain name`;
  if (word.test(name)) return undefined;
  return `'${name}' must have 1 to 63 letters, digits, '-', '_' or '.', and begin and end with a letter or digit`;
}

/** Returns what is wrong with a label's value, or undefined. */
export function whyNotLabelValue(value: string): string | undefined {
  if (value === "" || word.test(value)) return undefined;
  if (value.length > 63) return "is longer than 63 characters";
  return `'${value}' must consist of letters, digits, '-', '_' and '.', and begin and end with a letter or digit`;
}

/** Returns what is wrong with the name of a port (IANA_SVC_NAME), or undefined. */
export function whyNotPortName(name: string): string | undefined {
  if (name.length < 1 || name.length > 15) return `'${name}' must have 1 to 15 characters`;
  if (!/^[-a-z0-9]+$/.test(name)) return `'${name}' must consist of lower-case letters, digits and '-'`;
  if (!/[a-z]/.test(name)) return `'${name}' must contain at least one letter`;
  if (name.includes("--")) return `'${name}' must not contain '--'`;
  if (name.startsWith("-") || name.endsWith("-")) return `'${name}' must not begin or end with '-'`;
  return undefined;
}
