// The page's build: one script, one style sheet, nothing inline (the server's content security policy forbids it).
import { defineConfig } from "vite";

export default defineConfig({
  root: import.meta.dirname,
  logLevel: "warn",
  clearScreen: false,
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    outDir: "../dist/web",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    modulePreload: { polyfill: false },
    // The map's drawing is half of the script, and only the map needs it.
    chunkSizeWarningLimit: 400,
  },
});
