// The colours of the style sheet, for what is drawn and not styled; again where light and dark change.
import { useEffect, useState } from "preact/hooks";

const names = ["ground", "text", "soft", "line", "strong-line", "own", "yes", "no", "unknown"] as const;
type Palette = Readonly<Record<(typeof names)[number], string>>;

export function usePalette(): Palette {
  const [palette, setPalette] = useState(read);
  useEffect(() => {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const look = () => setPalette(read());
    dark.addEventListener("change", look);
    return () => dark.removeEventListener("change", look);
  }, []);
  return palette;
}

/** A property holds `light-dark(…)` as it was written; what an element's colour is computed to is one colour. */
function read(): Palette {
  const probe = document.createElement("span");
  document.body.append(probe);
  const entries = names.map((name) => {
    probe.style.setProperty("color", `var(--${name})`);
    return [name, getComputedStyle(probe).color] as const;
  });
  probe.remove();
  return Object.fromEntries(entries) as unknown as Palette;
}
