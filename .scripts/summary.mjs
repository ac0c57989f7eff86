// Counts what vitest and the checks reported: `node summary.mjs tests.json 0 check.json 1` prints `N passed, N failed`, with exit status 1
// for failures. The numbers are the exit statuses of those who wrote the reports. A report that is missing or unreadable is a failure,
// and so is a test file that failed before its first test, and an exit status that no failure in the report explains.
import { readFileSync } from "node:fs"

/**
 * @typedef {{ readonly passed: number, readonly failed: number, readonly skipped: number }} Count
 * @typedef {{
 *   readonly success: boolean
 *   readonly testResults: ReadonlyArray<{
 *     readonly status: string
 *     readonly assertionResults: ReadonlyArray<{ readonly status: string }>
 *   }>
 * }} VitestReport
 * @typedef {ReadonlyArray<{ readonly name: string, readonly passed: boolean }>} CheckReport
 */

/** @param {VitestReport} report @returns {Count} */
const countTests = ({ success, testResults }) => {
  const statuses = testResults.flatMap(({ assertionResults }) => assertionResults.map(({ status }) => status))
  const passed = statuses.filter((status) => status === "passed").length
  const failedTests = statuses.filter((status) => status === "failed").length
  const brokenFiles = testResults.filter(
    ({ status, assertionResults }) => status === "failed" && assertionResults.every((test) => test.status !== "failed")
  ).length
  // An error outside of any test, such as an unhandled rejection, shows in `success` alone.
  const failed = Math.max(failedTests + brokenFiles, success ? 0 : 1)
  return { passed, failed, skipped: statuses.length - passed - failedTests }
}

/** @param {CheckReport} checks @returns {Count} */
const countChecks = (checks) => {
  const passed = checks.filter((check) => check.passed).length
  return { passed, failed: checks.length - passed, skipped: 0 }
}

/** @param {string} file @returns {Count} */
const count = (file) => {
  try {
    const report = JSON.parse(readFileSync(file, "utf8"))
    return Array.isArray(report) ? countChecks(report) : countTests(report)
  } catch (error) {
    console.log(`no report ${file}: ${error instanceof Error ? error.message : error}`)
    return { passed: 0, failed: 1, skipped: 0 }
  }
}

/** @type {Array<Count>} */
const counts = []
const args = process.argv.slice(2)
for (let at = 0; at < args.length; at += 2) {
  const counted = count(args[at] ?? "")
  counts.push(args[at + 1] === "0" || counted.failed > 0 ? counted : { ...counted, failed: 1 })
}

/** @param {keyof Count} key */
const sum = (key) => counts.reduce((total, each) => total + each[key], 0)

if (sum("skipped") > 0) console.log(`${sum("skipped")} skipped`)
console.log(`${sum("passed")} passed, ${sum("failed")} failed`)
process.exitCode = sum("failed") === 0 ? 0 : 1
