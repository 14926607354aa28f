// Imports point down only. The rooms, top to bottom; a room may import itself and what stands below it.
const rooms = [
  "cli",
  "lab",
  "ui",
  "agent",
  "controller",
  "sinks",
  "cni",
  "explain",
  "plan",
  "ipam",
  "cloud",
  "bird",
  "kernel",
  "store",
  "api",
  "base",
];
const upward = rooms.slice(1).map((room, index) => ({
  name: `${room}-points-down`,
  severity: "error",
  from: { path: `^src/${room}/`, pathNot: "\\.test\\.ts$" },
  to: { path: `^src/(${rooms.slice(0, index + 1).join("|")})/` },
}));
module.exports = {
  forbidden: [
    ...upward,
    { name: "no-circular", severity: "error", from: {}, to: { circular: true } },
    {
      name: "one-door-to-the-kernel",
      comment: "Only src/kernel loads native code; src/kernel/exec is the only place that starts programs",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/kernel/" },
      to: { path: "^(koffi|node:child_process|child_process)" },
    },
    {
      name: "page-takes-types-alone",
      comment: "web/ runs in a browser: of src/ it knows the interface's types",
      severity: "error",
      from: { path: "^web/", pathNot: "\\.test\\.tsx?$" },
      to: { path: "^src/", pathNot: "^src/ui/api\\.ts$" },
    },
    {
      name: "page-stays-apart",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^web/" },
    },
    {
      name: "product-does-not-import-tests",
      severity: "error",
      from: { path: "^src/", pathNot: "\\.(test|suite)\\.ts$" },
      to: { path: "(^test/|\\.test\\.ts$|\\.suite\\.ts$|vitest|fast-check)" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { extensions: [".ts", ".tsx", ".js", ".mjs", ".cjs"] },
  },
};
