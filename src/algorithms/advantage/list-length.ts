import type { AdvantageTransformConfig } from "../../config/schema/advantage.js";
import { endAction, spansOf } from "../rows.js";
import { addMean } from "../tally.js";
import type { AdvantageTransform } from "../types.js";

type ListLengthConfig = Extract<AdvantageTransformConfig, { kind: "list_length" }>;

/**
 * Length shaping of lists, added to advantages: `extra` on every action past the last position; on the end of a row that
 * ended by itself, `complete` if it has all positions and nothing beyond, `early` if it has fewer.
 */
export function listLengthTransform(config: ListLengthConfig): AdvantageTransform {
  return {
    needs: {},
    apply: (rows, advantages, log) =>
      rows.map((row, i) => {
        const ids = spansOf(row, config.span);
        const shaped = advantages[i]!.slice();
        let items = 0;
        let beyond = 0;
        for (let t = 0; t < row.length; t++) {
          if (row.mask[t] !== 1) continue;
          items = Math.max(items, ids[t]! + 1);
          if (ids[t]! < config.positions) continue;
          shaped[t]! += config.extra;
          beyond += 1;
        }
        const end = endAction(row);
        addMean(log, `${config.span}/items`, items, 1);
        addMean(log, `${config.span}/exact_length`, end >= 0 && items === config.positions ? 1 : 0, 1);
        addMean(log, `${config.span}/overflow_tokens`, beyond, 1);
        if (end < 0) return shaped;
        if (items === config.positions) shaped[end]! += config.complete;
        else if (items < config.positions) shaped[end]! += config.early;
        return shaped;
      }),
  };
}
