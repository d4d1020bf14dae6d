import { makeAdvantage } from "../../../src/algorithms/advantage/registry.js";
import { prefixTree } from "../../../src/algorithms/prefix-tree.js";
import { trainedGroups } from "../../../src/algorithms/rows.js";
import type { Row } from "../../../src/algorithms/types.js";
import { advantageSchema } from "../../../src/config/schema/advantage.js";
import { type Data, groupNumbers, mask, type Op, row } from "../adapter.js";

export const system = "tempo-tree";

/** The responses without their padding. */
function responseRows(inputs: Data): Row[] {
  const groups = groupNumbers(inputs.group_index);
  return inputs.responses.map((tokens: number[], i: number) => {
    const length = inputs.mask[i].lastIndexOf(1) + 1;
    return row({
      length,
      group: groups[i]!,
      mask: mask(inputs.mask[i].slice(0, length)),
      tokens: Int32Array.from(tokens.slice(0, length)),
      reward: inputs.rewards[i],
    });
  });
}

export const ops: Record<string, Op> = {
  tempo_advantage: (inputs, params) => {
    const rows = responseRows(inputs);
    const width = inputs.mask[0].length;
    const form = { std: params.std, epsilon: params.eps };
    const then = [{ kind: "prefix_tree", scale: params.norm_adv_by_std ? "reward" : "none", ...form }];
    const estimator = makeAdvantage(
      advantageSchema.parse({
        scale: params.norm_adv_by_std ? "group" : "none",
        ...form,
        then,
      }),
    );
    const means: Float64Array[] = [];
    const branches: number[][] = [];
    for (const members of trainedGroups(rows)) {
      const tree = prefixTree(
        members.map((i) => rows[i]!.tokens),
        members.map((i) => rows[i]!.reward),
      );
      members.forEach((i, k) => {
        means[i] = tree.means[k]!;
        branches[i] = Array.from(rows[i]!.tokens, (_, t) => Number(tree.counts[k]![t + 1]! < tree.counts[k]![t]!));
      });
    }
    return {
      token_advantages: estimator
        .estimate(rows)
        .map((values) => Float64Array.from({ length: width }, (_, t) => values[t] ?? 0)),
      prefix_values: means,
      branch_token: branches,
    };
  },
};
