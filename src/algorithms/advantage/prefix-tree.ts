import type { AdvantageTransformConfig } from "../../config/schema/advantage.js";
import { prefixTree } from "../prefix-tree.js";
import { outcome, trainedActions, trainedGroups } from "../rows.js";
import { standardDeviation } from "../statistics.js";
import { addMean } from "../tally.js";
import type { AdvantageTransform, MetricLog, Row } from "../types.js";

export type PrefixTreeConfig = Omit<Extract<AdvantageTransformConfig, { kind: "prefix_tree" }>, "kind">;

/**
 * TEMPO (arXiv 2509.18314): with V(p) = mean reward of the responses of the group that begin with p,
 *   A_it += coefficient (V(y_i,1..t) - V(y_i,1..t-1)) / (std_group R + epsilon)
 * which is 0 except where responses of different value branch. Observations of tools are part of the prefix, but a
 * difference that one of them makes is nobody's merit.
 */
export function prefixTreeTransform(config: PrefixTreeConfig): AdvantageTransform {
  return {
    needs: {},
    apply: (rows, advantages, log) => {
      const result = advantages.map((values) => values.slice());
      for (const group of trainedGroups(rows)) {
        const scored = group.filter((i) => !Number.isNaN(outcome(rows[i]!)));
        const members = scored.map((i) => rows[i]!);
        const differences = prefixDifferences(members, log);
        const divisor = deviationOf(members, differences, config);
        scored.forEach((i, k) => {
          differences[k]!.forEach((value, t) => {
            if (value !== 0) result[i]![t]! += (config.coefficient * value) / divisor;
          });
        });
      }
      return result;
    },
  };
}

/** Change of the prefix's mean reward at each trained action of the rows of one group; 0 elsewhere. */
function prefixDifferences(rows: readonly Row[], log: MetricLog | undefined): Float64Array[] {
  const start = performance.now();
  const tree = prefixTree(
    rows.map(({ tokens }) => tokens),
    rows.map(outcome),
  );
  addMean(log, "time/prefix_tree_s", (performance.now() - start) / 1000, 1);
  addMean(log, "tempo/nodes", tree.nodes, 1);
  return rows.map((row, k) => {
    const [means, counts] = [tree.means[k]!, tree.counts[k]!];
    const branches = [...row.mask.keys()].filter((t) => row.mask[t] === 1 && counts[t + 1]! < counts[t]!);
    const values = Float64Array.from(row.mask, (on, t) => (on === 1 ? means[t + 1]! - means[t]! : 0));
    const actions = trainedActions(row);
    addMean(log, "tempo/branches", branches.length, 1);
    addMean(log, "tempo/last_branch", (branches.at(-1) ?? -1) + 1, 1);
    addMean(log, "tempo/nonzero", values.filter((value) => value !== 0).length, actions);
    addMean(
      log,
      "tempo/difference_abs",
      values.reduce((sum, value) => sum + Math.abs(value), 0),
      actions,
    );
    return values;
  });
}

function deviationOf(rows: readonly Row[], differences: readonly Float64Array[], config: PrefixTreeConfig): number {
  if (config.scale === "none") return 1;
  if (config.scale === "reward") return standardDeviation(rows.map(outcome), config.std) + config.epsilon;
  const trained = differences.flatMap((values, k) => [...values].filter((_, t) => rows[k]!.mask[t] === 1));
  return standardDeviation(trained, config.std) + config.epsilon;
}
