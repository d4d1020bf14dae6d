import assert from "node:assert/strict";
import { test } from "node:test";
import { checkMetricsBy } from "../../src/pipeline/metrics-by.js";
import { rewardMetrics } from "../../src/pipeline/reward-metrics.js";
import { lengthMetrics, phraseMetrics, turnMetrics } from "../../src/pipeline/scoring.js";
import { completionEpisode, promptSegment } from "../../src/rollout/strategy.js";
import type { Episode, Finish, Group, Task } from "../../src/tree/episode.js";

const sampling = { temperature: 1, topK: 0, topP: 1, minP: 0, stop: [], maxTokens: 9 };

interface Scores {
  total: number;
  components?: Record<string, number | null>;
  details?: Record<string, number>;
  length?: number;
  text?: string;
  finish?: Finish;
}

function group(record: Record<string, unknown>, scores: readonly Scores[]): Group {
  const task: Task = { index: 0, prompt: Int32Array.of(1), text: "p", record };
  const root = promptSegment(task);
  const episodes = scores.map(({ total, components = {}, details, length = 1, text = "", finish = "stop" }, i) => {
    const tokens = new Int32Array(length).fill(1);
    const zeros = new Float32Array(length);
    const drawn = { tokens, logprob: zeros, entropy: zeros, finish, text };
    const rewards: Episode["rewards"] = {
      total,
      components: Object.fromEntries(
        Object.entries(components).map(([name, value]) => [
          name,
          value === null ? null : { unit: "episode" as const, values: Float64Array.of(value) },
        ]),
      ),
      ...(details !== undefined && { details }),
    };
    return { ...completionEpisode(root, drawn, i, { version: 0, sampling }), rewards };
  });
  return { slot: 0, task, episodes, meta: {} };
}

const near = (got: number | undefined, want: number) =>
  assert.ok(Math.abs((got ?? Number.NaN) - want) < 1e-12, `${got}, not ${want}`);

test("components are told by their deviation within groups and by what they go together with", () => {
  const groups = [
    group({}, [
      { total: 0, components: { a: 0, b: 2 }, length: 1 },
      { total: 0, components: { a: 1, b: 1 }, length: 2 },
    ]),
    group({}, [
      { total: 0, components: { a: 2, b: 0 }, length: 3 },
      { total: 0, components: { a: 2, b: null }, length: 3 },
    ]),
  ];
  const metrics = rewardMetrics(groups);
  near(metrics["reward/a/mean"], 5 / 4);
  near(metrics["reward/a/group_std"], Math.SQRT1_2 / 2);
  near(metrics["reward/a/length_correlation"], 1);
  near(metrics["reward/a-b/correlation"], -1);
  // One value in the second group has no deviation.
  near(metrics["reward/b/group_std"], Math.SQRT1_2);
});

test("what does not vary has no correlation", () => {
  const metrics = rewardMetrics([
    group({}, [
      { total: 1, components: { a: 1 } },
      { total: 1, components: { a: 1 } },
    ]),
  ]);
  assert.equal("reward/a/length_correlation" in metrics, false);
  assert.equal(metrics["reward/a/group_std"], 0);
});

test("of a conditional component it is told where it applies and which groups it alone tells apart", () => {
  const one = (outcome: number, thinking: number | null): Scores => ({
    total: outcome + (thinking ?? 0),
    components: { outcome, thinking },
  });
  const groups = [
    group({}, [one(1, 0.9), one(1, 0.1)]),
    group({}, [one(0, null), one(0, null)]),
    group({}, [one(1, 0.5), one(0, null)]),
    group({}, [one(1, 0.5), one(1, 0.5)]),
  ];
  const metrics = rewardMetrics(groups, { conditional: ["thinking"], weights: { outcome: 1, thinking: 1 } });
  assert.equal(metrics["reward/thinking/applies"], 5 / 8);
  assert.equal(metrics["reward/thinking/zero_std_without"], 3 / 4);
  assert.equal(metrics["reward/thinking/decides"], 1 / 4);
});

test("values of a column of the data get means of their own, and rows without it none", () => {
  const groups = [
    group({ source: "nq" }, [{ total: 1, components: { em: 1 }, details: { "em/hit": 1 } }]),
    group({ source: "hotpot" }, [{ total: 0, components: { em: 0 }, details: { "em/hit": 0 } }]),
    group({ source: "nq" }, [{ total: 0, components: { em: 0 } }]),
    group({}, [{ total: 9, components: { em: 9 } }]),
  ];
  const metrics = rewardMetrics(groups, { by: "source" });
  assert.equal(metrics["reward/em/hit"], 0.5);
  const by = Object.entries(metrics).filter(([name]) => name.includes("@"));
  assert.deepEqual(by, [
    ["reward/mean@hotpot", 0],
    ["reward/em/mean@hotpot", 0],
    ["reward/em/hit@hotpot", 0],
    ["reward/mean@nq", 0.5],
    ["reward/em/mean@nq", 0.5],
    ["reward/em/hit@nq", 1],
  ]);
});

test("a column with too many values is refused, and one that is nowhere is told", () => {
  const tasks = (count: number) => Array.from({ length: count }, (_, id) => ({ record: { id } }) as unknown as Task);
  const said = (count: number, column: string) => {
    const lines: string[] = [];
    checkMetricsBy(tasks(count), column, "rows.jsonl", (text) => lines.push(text));
    return lines;
  };
  assert.deepEqual(said(50, "id"), []);
  assert.deepEqual(said(3, "type"), ['no row has the column "type" of data.metrics_by: metrics are not split by it']);
  assert.throws(() => checkMetricsBy(tasks(51), "id", "rows.jsonl", () => undefined), {
    code: "GRPO_DATA",
    message: 'rows.jsonl: the column "id" of data.metrics_by has 51 different values',
    fix: "name a column with at most 50, or set data.metrics_by: null",
  });
});

test("phrases are counted per completion and by the share that holds them, case aside", () => {
  const groups = [
    group({}, [
      { total: 0, text: "Rethink, re-think" },
      { total: 0, text: "no" },
    ]),
  ];
  assert.deepEqual(phraseMetrics(groups, { rethink: "re-?think", boxed: "\\\\boxed\\{" }), {
    "phrase/rethink": 1,
    "phrase/rethink_share": 0.5,
    "phrase/boxed": 0,
    "phrase/boxed_share": 0,
  });
});

test("lengths of completions that ended by themselves are told, where there are any", () => {
  const lengths = [
    { total: 0, length: 2 },
    { total: 0, length: 4 },
    { total: 0, length: 9, finish: "length" as const },
  ];
  const metrics = lengthMetrics([group({}, lengths)]);
  assert.deepEqual([metrics["length/terminated_min"], metrics["length/terminated_max"]], [2, 4]);
  assert.equal("length/terminated_min" in lengthMetrics([group({}, lengths.slice(2))]), false);
});

test("valid actions are counted per trajectory", () => {
  const played = group({}, [{ total: 0 }, { total: 0 }]);
  const step = (valid: boolean) => ({ start: 0, end: 1, valid, meta: {} });
  played.episodes[0]!.steps = [step(true), step(true), step(false)];
  played.episodes[1]!.steps = [step(true)];
  for (const episode of played.episodes) episode.trace = { turns: [], return: 0 };
  const metrics = turnMetrics([played]);
  assert.equal(metrics["turn/valid_actions"], 1.5);
  assert.equal(metrics["turn/valid"], 0.75);
});
