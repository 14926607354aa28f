import { agentMessages } from "./agent.ts";
import { apiMessages } from "./api.ts";
import { baseMessages } from "./base.ts";
import { birdMessages } from "./bird.ts";
import { cliMessages } from "./cli.ts";
import { cloudMessages } from "./cloud.ts";
import { cniMessages } from "./cni.ts";
import { controllerMessages } from "./controller.ts";
import { explainMessages } from "./explain.ts";
import { ipamMessages } from "./ipam.ts";
import { kernelMessages } from "./kernel.ts";
import { labMessages } from "./lab.ts";
import { policyMessages } from "./policy.ts";
import { sinkMessages } from "./sinks.ts";
import { snatMessages } from "./snat.ts";
import { storeMessages } from "./store.ts";
import { subnetMessages } from "./subnet.ts";
import { uiMessages } from "./ui.ts";

// One place words every error; a room adds its codes in the file of its own name, as `room.what`.
export const catalog = {
  ...agentMessages,
  ...apiMessages,
  ...baseMessages,
  ...birdMessages,
  ...cliMessages,
  ...cloudMessages,
  ...cniMessages,
  ...controllerMessages,
  ...explainMessages,
  ...ipamMessages,
  ...kernelMessages,
  ...labMessages,
  ...policyMessages,
  ...sinkMessages,
  ...snatMessages,
  ...storeMessages,
  ...subnetMessages,
  ...uiMessages,
};

export type Catalog = typeof catalog;
