import assert from "node:assert/strict";
import { test } from "node:test";
import { precisely } from "../../assets/js/durations.js";

for (const [seconds, words] of [
  [0, "0.0 s"], [1.24, "1.2 s"], [9.94, "9.9 s"], [10, "10 s"], [59.4, "59 s"], [60, "1 min 0 s"], [62.5, "1 min 2 s"],
  [3599, "59 min 59 s"], [3600, "1 h 0 min"], [7_380, "2 h 3 min"], [90_000, "25 h 0 min"],
]) {
  test(`a run of ${seconds} s took "${words}"`, () => assert.equal(precisely(seconds), words));
}
