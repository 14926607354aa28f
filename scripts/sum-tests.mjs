// Sums the result files of the suites that ran into the one line that a CI reads: "tests: N passed, N failed, N skipped".
// What failed stands before it, by file and name, with the first lines of its message: a suite's own report of it is
// thousands of lines further up, where the next suites have pushed it out of what a CI keeps.
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

const MESSAGE_LINES = 4;

const folder = process.argv[2] ?? ".cache/test-results";
const sum = { passed: 0, failed: 0, skipped: 0 };

const firstLines = (text) => text.split("\n").slice(0, MESSAGE_LINES).join("\n    ");

for (const file of readdirSync(folder).filter((name) => name.endsWith(".json"))) {
  const result = JSON.parse(readFileSync(path.join(folder, file), "utf8"));
  sum.passed += result.numPassedTests;
  sum.failed += result.numFailedTests;
  sum.skipped += result.numPendingTests + result.numTodoTests;
  for (const suite of result.testResults.filter(({ status }) => status === "failed")) {
    const name = path.relative(process.cwd(), suite.name);
    const failed = suite.assertionResults.filter(({ status }) => status === "failed");
    for (const test of failed) {
      console.log(`failed: ${name}: ${test.fullName}\n    ${firstLines(test.failureMessages.join("\n"))}`);
    }
    if (failed.length === 0) {
      console.log(`failed: ${name}: the file itself\n    ${firstLines(suite.message)}`);
    }
  }
}
console.log(`tests: ${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
