import { makeAdvantage } from "../../../src/algorithms/advantage/registry.js";
import { type LambdaLengthConfig, lambdaLength } from "../../../src/algorithms/shape/lambda-length.js";
import type { Row } from "../../../src/algorithms/types.js";
import { advantageSchema } from "../../../src/config/schema/advantage.js";
import { shapeSchema } from "../../../src/config/schema/shape.js";
import { type Data, type Op, row } from "../adapter.js";

export const system = "grpo-lambda";

export const ops: Record<string, Op> = {
  lambda_reward: (inputs, params) => {
    const groups: Row[][] = inputs.groups.map(({ correct, length }: Data, group: number) =>
      correct.map((reward: number, i: number) => row({ length: length[i], group, reward })),
    );
    const rows = groups.flat();
    const [shape] = shapeSchema.parse([
      {
        kind: "lambda_length",
        lambda: params.lambda,
        alpha: params.alpha,
        rounding: params.rounding,
        min_ratio: params.min_ratio_exclusive,
      },
    ]);
    const { ratios, chosen } = lambdaLength(rows, shape as LambdaLengthConfig);
    const config = advantageSchema.parse({ kind: "group", std: params.advantage_std, epsilon: params.epsilon });
    const advantages = makeAdvantage(config).estimate(rows);
    const perGroup = (values: number[]) => groups.map((group) => values.splice(0, group.length));
    return {
      correct_ratio: ratios,
      efficiency_groups: chosen,
      reward: perGroup(rows.map(({ reward }) => reward)),
      advantage: perGroup(advantages.map((values) => values[0]!)),
    };
  },
};
