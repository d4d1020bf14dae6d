import type { AdvantageTransformConfig } from "../../config/schema/advantage.js";
import { endAction, spansOf } from "../rows.js";
import type { AdvantageTransform } from "../types.js";

type ListLengthConfig = Extract<AdvantageTransformConfig, { kind: "list_length" }>;

/**
 * Length shaping of lists, added to advantages: `extra` on every action past the last position; on the end of a row that
 * ended by itself, `complete` if it has all positions and nothing beyond, `early` if it has fewer.
 */
export function listLengthTransform(config: ListLengthConfig): AdvantageTransform {
  return {
    needs: {},
    apply: (rows, advantages) =>
      rows.map((row, i) => {
        const ids = spansOf(row, config.span);
        const shaped = advantages[i]!.slice();
        let items = 0;
        for (let t = 0; t < row.length; t++) {
          if (row.mask[t] !== 1) continue;
          items = Math.max(items, ids[t]! + 1);
          if (ids[t]! >= config.positions) shaped[t]! += config.extra;
        }
        const end = endAction(row);
        if (end < 0) return shaped;
        if (items === config.positions) shaped[end]! += config.complete;
        else if (items < config.positions) shaped[end]! += config.early;
        return shaped;
      }),
  };
}
