import assert from "node:assert/strict";
import { test } from "node:test";
import { gatherSampled, policyLoss, responseLength } from "../../src/tree/episode.js";
import { Origin, pathLength, pathSegments, pathStart, pathTokens } from "../../src/tree/segment.js";
import { episode, segment } from "../forests.js";

const sampled = (logprob: number[]) => ({
  logprob: Float32Array.from(logprob),
  entropy: Float32Array.from(logprob, (x) => -2 * x),
  version: 0,
  temperature: 1,
});

test("a path is the tokens from the root to the leaf, as many of each as the next segment sees", () => {
  const prompt = segment(null, [1, 2, 3]);
  const turn = segment(prompt, [4, 5, 6, 7]);
  const branch = segment(turn, [8, 9], { at: 2 });
  assert.deepEqual([...pathTokens(branch)], [1, 2, 3, 4, 5, 8, 9]);
  assert.equal(pathLength(branch), 7);
  assert.equal(pathStart(branch), 5);
  assert.deepEqual(
    pathSegments(branch).map(({ segment: { id }, length }) => [id, length]),
    [
      [prompt.id, 3],
      [turn.id, 2],
      [branch.id, 2],
    ],
  );
});

test("a branch inside the prompt, an empty segment and an empty leaf keep the path whole", () => {
  const prompt = segment(null, [1, 2, 3]);
  const early = segment(prompt, [7], { at: 1 });
  assert.deepEqual([...pathTokens(early)], [1, 7]);
  const empty = segment(prompt, []);
  const after = segment(empty, [9]);
  assert.deepEqual([...pathTokens(after)], [1, 2, 3, 9]);
  assert.deepEqual([...pathTokens(empty)], [1, 2, 3]);
  assert.equal(responseLength(episode(empty)), 0);
});

test("the loss mask is 1 on what the policy wrote after the prompt, and nowhere else", () => {
  const prompt = segment(null, [1, 2]);
  const first = segment(prompt, [3, 4]);
  const tool = segment(first, [5, 6, 7], { origin: Origin.environment });
  const template = segment(tool, [8], { origin: Origin.template });
  const teacher = segment(template, [9], { origin: Origin.teacher });
  const last = segment(teacher, [10, 11]);
  assert.deepEqual([...policyLoss(last, 2)], [1, 1, 0, 0, 0, 0, 0, 1, 1]);
  // A prompt that ends inside a policy segment: what lies before is context.
  assert.deepEqual([...policyLoss(last, 3)], [1, 0, 0, 0, 0, 0, 1, 1]);
});

test("stored log-probs are gathered over the response, NaN where no sampler drew the token", () => {
  const prompt = segment(null, [1, 2]);
  const first = segment(prompt, [3, 4, 5], { sampled: sampled([-1, -2, -3]) });
  const tool = segment(first, [6], { origin: Origin.environment, at: 2 });
  const last = segment(tool, [7], { sampled: sampled([-4]) });
  assert.deepEqual([...gatherSampled(episode(last), "logprob")], [-1, -2, Number.NaN, -4]);
  assert.deepEqual([...gatherSampled(episode(last), "entropy")], [2, 4, Number.NaN, 8]);
});
