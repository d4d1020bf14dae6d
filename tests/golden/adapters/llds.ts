import { maskedSum } from "../../../src/algorithms/objective/aggregation.js";
import {
  likelihoodPreserve,
  preservationCoefficients,
  preservationPenalties,
} from "../../../src/algorithms/objective/likelihood-preserve.js";
import type { Minibatch } from "../../../src/algorithms/objective/term.js";
import { runSums, runsOf } from "../../../src/algorithms/runs.js";
import { emptyTally } from "../../../src/algorithms/tally.js";
import { type TermConfig, termsSchema } from "../../../src/config/schema/terms.js";
import { type Data, mask, numbers, type Op, row } from "../adapter.js";

export const system = "llds";

type PreserveConfig = Extract<TermConfig, { kind: "likelihood_preserve" }>;

/** The term of a configuration over the rows of a case; an answer mask of the case is 0 on the answer. */
function evaluate(inputs: Data, options: Data, meanSearches: number) {
  const config = termsSchema.parse([{ kind: "likelihood_preserve", ...options }])[0] as PreserveConfig;
  const rows = inputs.logps.map((logps: number[], i: number) =>
    row({
      length: logps.length,
      mask: mask(inputs.response_mask?.[i] ?? inputs.mask[i]),
      old: numbers(inputs.old_logps[i]),
      advantage:
        inputs.token_advantages === undefined
          ? new Float64Array(logps.length).fill(inputs.advantages[i])
          : numbers(inputs.token_advantages[i]),
      spans:
        inputs.answer_mask === undefined
          ? {}
          : { answer: Int32Array.from(inputs.answer_mask[i], (on) => (Number(on) === 1 ? -1 : 0)) },
    }),
  );
  const current = inputs.logps.map((logps: number[]) => ({ logp: numbers(logps) }));
  const masks = rows.map((r: Minibatch["rows"][number]) => r.mask);
  const term = likelihoodPreserve(config, () => meanSearches);
  const state = term.prepare({ rows, masks, policyMasks: masks, coefficients: numbers([]), counts: {}, current });
  const gradients = rows.map((r: Minibatch["rows"][number]) => ({ dlogp: new Float64Array(r.length) }));
  const tally = emptyTally();
  let loss = 0;
  for (const i of rows.keys()) loss += term.add(i, current[i], state, gradients[i], tally);
  const penalties = rows.map((r: Minibatch["rows"][number], i: number) =>
    preservationPenalties(r, r.mask, current[i].logp, config),
  );
  return { loss, gradients, penalties, rows, config, answer: state.answerCoefficient };
}

export const ops: Record<string, Op> = {
  llds_chunk_sums: (inputs) => {
    const found = inputs.mask.map((values: number[]) => runsOf(mask(values)));
    const most = Math.max(...found.map(({ count }: Data) => count));
    return {
      sums: found.map(({ runs }: Data, i: number) => runSums(numbers(inputs.values[i]), runs, most)),
      num_chunks: found.map(({ count }: Data) => count),
      chunk_id: found.map(({ runs }: Data) => Array.from(runs as Int32Array, (run) => run + 1)),
    };
  },
  llds_loss: (inputs, params) => {
    const options = {
      gate: params.gate,
      coefficient: params.lambda_,
      answer_coefficient: params.answer_lambda,
      adaptive: params.adaptive,
    };
    const { loss, gradients, penalties, rows, config, answer } = evaluate(inputs, options, params.mean_searches);
    return {
      loss,
      penalty: penalties.map((p: Data) => p.penalties),
      grad_logps: gradients.map(({ dlogp }: Data) => dlogp),
      coeff: rows.map((r: Data) => preservationCoefficients(r, config.coefficient, answer)),
    };
  },
  llds_paper: (inputs) => {
    const { loss, penalties, rows } = evaluate(inputs, { gate: "response", coefficient: 1 }, 0);
    return {
      delta_total: penalties.map(({ delta }: Data, i: number) => maskedSum(delta, rows[i].mask)),
      gate: penalties.map(({ open }: Data) => open),
      per_response: penalties.map((p: Data, i: number) => maskedSum(p.penalties, rows[i].mask)),
      sum_over_tokens_div_total_tokens: loss,
    };
  },
};
