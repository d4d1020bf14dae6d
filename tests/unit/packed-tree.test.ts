import assert from "node:assert/strict";
import { test } from "node:test";
import { BLOCK_KEYS } from "../../src/engine/attention-plan.js";
import { type PackedTree, packEpisodes } from "../../src/model/packed-tree.js";
import { predictedSpeedup } from "../../src/model/packing-cost.js";
import { type Episode, responseLength } from "../../src/tree/episode.js";
import { pathSegments, pathTokens, type Segment } from "../../src/tree/segment.js";
import { episode, integers, richForest, segment } from "../forests.js";

/** The tokens each row attends to, by carrying the writes and copies of the plan out. */
function seenByRow({ tokens, plan, blocks }: PackedTree): number[][] {
  const keys = Array.from({ length: blocks }, () => new Array<number>(BLOCK_KEYS).fill(Number.NaN));
  for (let row = 0; row < plan.rows; row++) {
    keys[plan.writeBlock[row]!]![plan.position[row]! % BLOCK_KEYS] = tokens[row]!;
  }
  for (let c = 0; c < plan.copies.length; c += 3) {
    const [source, target, count] = plan.copies.subarray(c, c + 3);
    for (let slot = 0; slot < count!; slot++) keys[target!]![slot] = keys[source!]![slot]!;
  }
  return Array.from({ length: plan.rows }, (_, row) => {
    const start = plan.tableStart[plan.table[row]!]!;
    return Array.from({ length: plan.position[row]! + 1 }, (_, p) => {
      const block = plan.blocks[start + Math.floor(p / BLOCK_KEYS)]!;
      return keys[block]![p % BLOCK_KEYS]!;
    });
  });
}

/** (segment, index) of every token that some wanted log-prob depends on. */
function neededTokens(episodes: readonly Episode[], wanted: readonly Uint8Array[]): number {
  const needed = new Map<Segment, Set<number>>();
  for (const [e, { leaf, promptLength }] of episodes.entries()) {
    const last = promptLength + wanted[e]!.lastIndexOf(1);
    if (last < promptLength) continue;
    let start = 0;
    for (const { segment: own, length } of pathSegments(leaf)) {
      const set = needed.get(own) ?? new Set();
      for (let i = 0; i < length && start + i < last; i++) set.add(i);
      needed.set(own, set);
      start += length;
    }
  }
  let count = 0;
  for (const set of needed.values()) count += set.size;
  return count;
}

/** Checks everything a packed tree promises. */
function checkTree(episodes: readonly Episode[], wanted: readonly Uint8Array[]): PackedTree {
  const tree = packEpisodes(episodes, wanted);
  assert.equal(tree.tokens.length, tree.plan.rows);
  assert.equal(tree.plan.rows, neededTokens(episodes, wanted), "each needed token has one row");
  assert.deepEqual(
    [...tree.outputRows],
    [...new Set(tree.outputRows)].sort((a, b) => a - b),
  );
  const seen = seenByRow(tree);
  const used = new Set<number>();
  for (const [e, { leaf, promptLength }] of episodes.entries()) {
    const path = [...pathTokens(leaf)];
    assert.equal(tree.episodePairs[e]!.length, responseLength(episodes[e]!));
    for (const [t, pair] of tree.episodePairs[e]!.entries()) {
      if (wanted[e]![t] !== 1) {
        assert.equal(pair, -1);
        continue;
      }
      used.add(pair);
      assert.equal(tree.pairIds[pair], path[promptLength + t]);
      const row = tree.outputRows[tree.pairRows[pair]!]!;
      assert.deepEqual(seen[row], path.slice(0, promptLength + t), `episode ${e}, token ${t}: its context`);
    }
  }
  assert.equal(used.size, tree.pairIds.length, "no pair that nobody asked for");
  return tree;
}

const masks = (episodes: readonly Episode[]) => episodes.map(({ loss }) => loss);

test("each unique token of a forest of every shape has one row, and each row sees exactly its own path", () => {
  const forest = richForest(1000);
  checkTree(forest.all, masks(forest.all));
});

test("an episode whose tokens are all shared costs no row, and its tokens share the pairs of the other", () => {
  const { short, turns } = richForest(1000);
  const tree = checkTree([short, turns], masks([short, turns]));
  assert.deepEqual(tree.episodePairs[1]!.subarray(0, 20), tree.episodePairs[0]);
  assert.equal(tree.logicalTokens, 70 + 19 + (70 + 20 + 5 + 11));
  assert.equal(tree.tokens.length, 70 + 20 + 5 + 11);
});

test("the last token of a path and what follows the last wanted token need no row", () => {
  const prompt = segment(null, [1, 2, 3]);
  const leaf = segment(prompt, [4, 5, 6]);
  const tree = checkTree([episode(leaf)], [Uint8Array.of(1, 0, 0)]);
  assert.deepEqual([...tree.tokens], [1, 2, 3]);
  assert.deepEqual([...tree.outputRows], [2]);
});

test("the first tokens of all completions are pairs of one output row", () => {
  const prompt = segment(null, [1, 2, 3]);
  const group = [4, 5, 4].map((id) => episode(segment(prompt, [id, 9])));
  const tree = checkTree(group, masks(group));
  const rows = group.map((_, e) => tree.pairRows[tree.episodePairs[e]![0]!]);
  assert.deepEqual(rows, [0, 0, 0]);
  assert.equal(tree.outputRows[0], 2);
  assert.equal(
    tree.tokens.length,
    3 + 3,
    "segments are shared where they were generated as shared, never by coincidence",
  );
});

test("nothing wanted packs to nothing", () => {
  const { short, ownRoot } = richForest(1000);
  const tree = packEpisodes([short, ownRoot], [new Uint8Array(20), new Uint8Array(66)]);
  assert.equal(tree.tokens.length, 0);
  assert.equal(tree.pairIds.length, 0);
});

test("a log-prob without a token before it is refused", () => {
  const leaf = segment(null, [1, 2]);
  assert.throws(() => packEpisodes([episode(leaf, { promptLength: 0 })], [Uint8Array.of(1, 1)]), {
    message: "packEpisodes: a log-prob needs at least one token before it",
  });
});

test("random forests keep the promises: any branch points, empty segments, borders on and off block borders, any mask", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const draw = integers(seed);
    const ids = (n: number) => Int32Array.from({ length: n }, () => draw(100_000));
    const segments: Segment[] = [];
    for (let n = 0; n < 10; n++) {
      const parent = n === 0 || draw(6) === 0 ? null : segments[draw(segments.length)]!;
      const length = parent === null ? 1 + draw(130) : [0, 1, 63, 64, 65, draw(140)][draw(6)]!;
      const at = parent === null ? 0 : draw(3) === 0 ? parent.tokens.length : draw(parent.tokens.length + 1);
      segments.push(segment(parent, ids(length), { at }));
    }
    const episodes: Episode[] = [];
    const wanted: Uint8Array[] = [];
    for (const leaf of segments) {
      const length = pathTokens(leaf).length;
      if (length < 2 || draw(3) === 0) continue;
      const promptLength = 1 + draw(length);
      const density = draw(3);
      episodes.push(episode(leaf, { promptLength }));
      wanted.push(Uint8Array.from({ length: length - promptLength }, () => (draw(3) <= density ? 1 : 0)));
    }
    checkTree(episodes, wanted);
  }
});

test("the predicted speed-up is 1 for single paths, and nears the group size where prompts outweigh all else", () => {
  const shape = { layers: 2, hiddenSize: 8, intermediateSize: 16, heads: 2, kvHeads: 1, headDim: 4, vocabSize: 30 };
  const segment = (parent: Segment | null, length: number): Segment => ({
    id: 0,
    parent,
    at: parent?.tokens.length ?? 0,
    tokens: new Int32Array(length),
    origin: new Uint8Array(length),
    policy: "main",
  });
  assert.equal(predictedSpeedup([], shape), 1);
  assert.equal(predictedSpeedup([segment(segment(null, 5), 3)], shape), 1);
  const prompt = segment(null, 5000);
  const group = Array.from({ length: 4 }, () => segment(prompt, 1));
  assert.ok(Math.abs(predictedSpeedup(group, shape) - 4) < 0.01);
  // Two responses of 2 to a prompt of 3: 10 tokens and 50 pairs by themselves, 7 and 41 shared.
  const small = segment(null, 3);
  const weights = 2 * 8 * (2 * 3 * 4 + 3 * 16) + 8 * 30;
  const cost = (tokens: number, pairs: number) => weights * tokens + 2 * 2 * 4 * pairs;
  assert.equal(predictedSpeedup([segment(small, 2), segment(small, 2)], shape), cost(10, 50) / cost(7, 41));
});
