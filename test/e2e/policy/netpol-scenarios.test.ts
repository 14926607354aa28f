import { describeScenarios } from "./netpol-scenarios.suite.ts";

describeScenarios(4);
