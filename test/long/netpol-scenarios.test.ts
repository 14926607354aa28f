import { describeScenarios } from "../e2e/policy/netpol-scenarios.suite.ts";

// IPv4's share runs with every `npm test`.
describeScenarios(6);
