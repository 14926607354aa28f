// Which ip-masq-agent configuration is in force: what is written if it is usable, else the last good one, else the
// defaults. Without the ConfigMap there is none, and pools decide.
import { wording } from "../../base/errors.ts";
import { type Cidr, cidrCovers, formatCidr, tryParseCidr } from "../../base/ip.ts";
import type { Problem } from "../../base/problem.ts";
import type { ClusterFacts } from "../facts.ts";
import { defaultMasqConfig, MASQ_CONFIG_FILE, MASQ_CONFIG_MAP, readMasqConfig } from "./masq-config.ts";
import type { MasqConfig } from "./masq-types.ts";
import { isServing, readServiceRanges } from "./ranges.ts";
import type { ConfigStatus } from "./types.ts";

/**
 * Returns the configuration in force.
 * @param lastGood the text that was last usable, if one is remembered
 */
export function configStatus(facts: ClusterFacts, lastGood: string | undefined): ConfigStatus {
  const map = facts.configMaps.get(MASQ_CONFIG_MAP);
  if (!map) return { state: "absent", config: undefined, good: undefined, errors: [], findings: [] };
  const text = map.data?.["config"];
  if (text === undefined) {
    const message = wording("snat.no-key", { keys: Object.keys(map.data ?? {}).toSorted() });
    const config = defaultMasqConfig();
    return { state: "current", config, good: "", errors: [], findings: [{ code: "snat.no-key", message }] };
  }
  const { config, errors, findings } = readMasqConfig(text);
  if (config) {
    const all = [...findings, ...coverage(facts, config)];
    return { state: "current", config, good: text, errors: [], findings: all };
  }
  const kept = lastGood === undefined ? undefined : readMasqConfig(lastGood).config;
  // A text that an older version called good and this one does not is as if there were none.
  return kept
    ? { state: "last-good", config: kept, good: undefined, errors, findings }
    : { state: "defaults", config: defaultMasqConfig(), good: undefined, errors, findings };
}

/** Ranges that ip-masq-agent would masquerade by mistake. (Trunkline itself never translates between pods.) */
function coverage(facts: ClusterFacts, config: MasqConfig): Problem[] {
  const out: Problem[] = [];
  const position = { file: MASQ_CONFIG_FILE, line: 1, column: 1 };
  const covered = (range: Cidr) => config.nonMasquerade.some(({ cidr }) => cidrCovers(cidr, range));
  const hint = "Trunkline never translates between pods, but ip-masq-agent would";
  for (const pool of facts.pools.values()) {
    const cidr = tryParseCidr(pool.spec.cidr);
    if (!cidr || !isServing(pool)) continue;
    const range = formatCidr(cidr);
    if (cidr.family === 6 && config.ipv6 && !config.nonMasquerade.some((one) => one.cidr.family === 6)) {
      out.push({
        code: "snat.ipv6-everything",
        message: wording("snat.ipv6-everything", { range }),
        position,
      });
    } else if (cidr.family === 6 && !config.ipv6) {
      out.push({ code: "snat.ipv6-unlisted", message: wording("snat.ipv6-unlisted", { range }), position });
    } else if (config.othersMasqueraded && !covered(cidr)) {
      const message = wording("snat.pods-not-covered", { range, pool: `IPPool/${pool.metadata.name}` });
      out.push({ code: "snat.pods-not-covered", message, hint, position });
    }
  }
  for (const cidr of readServiceRanges(facts)) {
    if (cidr.family === 6 && !config.ipv6) continue;
    if (!config.othersMasqueraded || covered(cidr)) continue;
    const message = wording("snat.services-not-covered", { range: formatCidr(cidr) });
    out.push({ code: "snat.services-not-covered", message, position });
  }
  return out;
}
