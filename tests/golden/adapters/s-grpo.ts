import { groupAdvantages } from "../../../src/algorithms/advantage/group.js";
import { makeObjective } from "../../../src/algorithms/objective/registry.js";
import { makeShapers } from "../../../src/algorithms/shape/registry.js";
import { emptyTally } from "../../../src/algorithms/tally.js";
import { advantageSchema } from "../../../src/config/schema/advantage.js";
import { objectiveSchema } from "../../../src/config/schema/objective.js";
import { shapeSchema } from "../../../src/config/schema/shape.js";
import { exitPositions, serialLoss } from "../../../src/rollout/serial-exits.js";
import { type Data, numbers, type Op, row } from "../adapter.js";

export const system = "s-grpo";

export const ops: Record<string, Op> = {
  serial_reward_and_advantage: (inputs, { decay_base }) => {
    const rows = inputs.correct_in_exit_order.map((correct: number) => row({ length: 1, reward: Number(correct) }));
    const [shaper] = makeShapers(shapeSchema.parse([{ kind: "serial_decay", base: decay_base }]));
    shaper!.shape(rows);
    const advantages = (options: Data) =>
      groupAdvantages(rows, { ...(advantageSchema.parse(options) as Data), weights: {} }).advantages;
    return {
      reward: rows.map(({ reward }: Data) => reward),
      advantage: advantages({ scale: "none" }),
      advantage_std_normalised: advantages({ std: "population", epsilon: 1e-6 }),
    };
  },
  exit_positions: ({ think_len, uniform }) => ({ positions: exitPositions(think_len, uniform) }),
  serial_group_loss: (inputs, { loss_tokens, eps }) => {
    const rows = inputs.logprob.map((logps: number[], i: number) =>
      row({
        length: logps.length,
        // Kinds of the file are roles + 1; 0 is padding.
        mask: serialLoss(
          Int32Array.from(inputs.token_kind[i], (kind) => Number(kind) - 1),
          loss_tokens,
        ),
        old: numbers(inputs.old_logprob[i]),
        advantage: new Float64Array(logps.length).fill(inputs.advantage[i]),
      }),
    );
    const current = inputs.logprob.map((logps: number[]) => ({ logp: numbers(logps) }));
    const objective = makeObjective(
      objectiveSchema.parse({ epsilon_low: eps, epsilon_high: eps, aggregation: "sequence_mean_token_mean" }),
      { maxCompletionTokens: 1 },
    );
    const tally = emptyTally();
    const gradients = objective.rows([...rows.keys()], current, objective.prepare(rows, null), tally);
    return { loss: tally.loss, grad_logprob: gradients.map(({ dlogp }) => dlogp) };
  },
};
