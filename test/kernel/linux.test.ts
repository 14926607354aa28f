import { linuxMachine } from "../../src/kernel/index.ts";
import { kernelSuite } from "../../src/kernel/kernel.suite.ts";

kernelSuite("Linux", linuxMachine, `tlk${process.pid}-`);
