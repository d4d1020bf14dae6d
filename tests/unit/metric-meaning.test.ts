import assert from "node:assert/strict";
import { test } from "node:test";
import { readRecipe, recipeNames } from "../../src/config/recipes.js";
import { methodFamilies, methodMetrics } from "../../src/report/method-metrics.js";
import { metricFamilies, metricMeaning, metricMeanings } from "../../src/report/metric-meaning.js";

const unknown = metricMeaning("nobody/logs_this");

test("every metric that a recipe names has a meaning of its own", () => {
  for (const name of recipeNames()) {
    for (const metric of readRecipe(name).info.metrics) {
      assert.notEqual(metricMeaning(metric), unknown, `${name}: ${metric}`);
    }
  }
});

test("names with a part that the run decides are read, the longer before the shorter", () => {
  assert.match(metricMeaning("eval/pass@8"), /one of 8 completions/);
  assert.match(
    metricMeaning("eval/reward/em/mean"),
    /^Evaluation on prompts kept apart: Mean of the reward component em/,
  );
  assert.match(
    metricMeaning("reward/em/mean@nq"),
    /^Mean of the reward component em.* Here over the rows of data with that value/,
  );
  assert.match(metricMeaning("ratio/p05"), /^The 5 % quantile of ratios/);
  assert.match(metricMeaning("reward/mine/anything"), /user code/);
  assert.match(metricMeaning("phrase/rethink_share"), /^Share of completions in which rollout\.phrases\.rethink/);
  assert.match(metricMeaning("objectives/a-b/correlation"), /correlation of a and b within groups/);
});

test("no metric is explained twice, and a family's own name is one of it", () => {
  const names = [...Object.keys(metricMeanings), ...Object.keys(methodMetrics)];
  assert.equal(new Set(names).size, names.length);
  for (const { pattern, name } of [...metricFamilies, ...methodFamilies]) assert.match(name, pattern);
});
