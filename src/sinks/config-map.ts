// A ConfigMap, for programs that mount it. One that is there already must be ours: its label says so. The controller may write
// where somebody has allowed it to.

import { equalJson } from "../api/equal.ts";
import { type ConfigMap, configMapKind } from "../api/kinds/core.ts";
import { isError, TrunklineError } from "../base/errors.ts";
import { change } from "../store/change.ts";
import { formed, listJson } from "./file.ts";
import type { SinkMaker } from "./sink.ts";

export const listLabel = "trunkline.dev/address-list";

export const configMapSink: SinkMaker<"configMap"> =
  ({ namespace, name }) =>
  async (list, { store }) => {
    const what = `ConfigMap ${namespace}/${name}`;
    if (!store) throw new TrunklineError("sinks.refused", { what, why: "it is for the controller to write" });
    const data = {
      ranges: list.ranges.map((range) => `${range}\n`).join(""),
      "list.json": listJson(list),
      "list.csv": formed(list, "csv"),
    };
    const ours = { [listLabel]: list.name };
    const found = await store.get(configMapKind, name, namespace);
    if (!found) {
      const metadata = { name, namespace, labels: ours };
      try {
        await store.create<ConfigMap>(configMapKind, { apiVersion: "v1", kind: "ConfigMap", metadata, data });
        return;
      } catch (error) {
        if (!isError(error, "store.exists")) throw error;
      }
    }
    await change(store, configMapKind, { name, namespace }, (object) => {
      if (object.metadata.labels?.[listLabel] !== list.name)
        throw new TrunklineError("sinks.refused", {
          what,
          why: `it is somebody else's: it has no label ${listLabel}=${list.name}`,
        });
      return equalJson(object.data, data) ? undefined : { ...object, data };
    });
  };
