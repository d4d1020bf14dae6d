import { emptyTally, metricValues, UpdateMetrics } from "../algorithms/tally.js";
import type { Current, Row, Tally } from "../algorithms/types.js";
import { learningRate } from "../engine/schedule.js";
import { packingCost, predictedSpeedup } from "../model/packing-cost.js";
import type { Episode } from "../tree/episode.js";
import { pathSegments, pathTokens } from "../tree/segment.js";
import type { GrpoStage } from "./grpo-stage.js";
import { accumulateGradients, scoreEpisodes, type TokenScores } from "./policy.js";
import { parametersOf } from "./policy-model.js";
import type { Run } from "./run.js";
import { onSkipped, skipMetrics } from "./skipped-update.js";
import { clearGradients } from "./stage.js";

/**
 * `updates_per_rollout` passes over the rows of a step, each cut into minibatches of whole groups with one optimizer step.
 *
 * @returns the step's optimisation metrics: means over its optimizer steps, extremes of extremes
 */
export async function updatePolicy(
  run: Run,
  s: GrpoStage,
  rows: readonly Row[],
  episodes: readonly Episode[],
): Promise<Record<string, number | null>> {
  const { train, optimizer } = s.stage;
  const batches = minibatches(rows, train.minibatches);
  const metrics = new UpdateMetrics();
  let steps = 0;
  let skips = 0;
  let mismatch: number | null = null;
  let unique = 0;
  let logical = 0;
  const rate = learningRate(optimizer.schedule, run.state.stageStep, train.steps, optimizer.learning_rate);
  for (let pass = 0; pass < train.updates_per_rollout; pass++) {
    for (const indices of batches) {
      const first = steps + skips === 0 ? new Mismatch(episodes, run.state.version) : null;
      const { tally, counts } = await minibatchGradients(run, s, rows, episodes, indices, first);
      unique += counts.uniqueTokens;
      logical += counts.logicalTokens;
      if (first !== null) mismatch = first.value;
      const { loss } = tally;
      const { gradNorm, skipped } = s.optimizer.step({
        learningRate: rate,
        maxGradNorm: optimizer.max_grad_norm,
        skipGradNorm: optimizer.skip_grad_norm,
        loss,
      });
      clearGradients(parametersOf(run.model));
      if (skipped) {
        onSkipped(
          run,
          s.stage,
          { loss, gradNorm },
          indices.map((i) => dumpOf(rows[i]!, episodes[i]!)),
        );
        skips += 1;
        continue;
      }
      run.state.version += 1;
      steps += 1;
      const own = { loss, grad_norm: gradNorm };
      for (const part of s.objective.stateful) part.observe?.({ ...metricValues(tally), ...own }, indices.length);
      metrics.add(tally, own);
    }
  }
  run.state.tokens += logical;
  return {
    ...(steps === 0 && { loss: null, grad_norm: null }),
    ...metrics.values(),
    ...skipMetrics(optimizer, skips),
    learning_rate: rate,
    "mismatch/logprob_max_abs": mismatch,
    "tokens/train_unique": unique,
    "tokens/train_logical": logical,
    "tokens/seen": run.state.tokens,
    ...sharing(run, s, rows, episodes),
  };
}

/** What shared prefixes leave of the attention that whole paths would cost, and how much faster they make an update by count. */
function sharing(
  run: Run,
  { pass }: GrpoStage,
  rows: readonly Row[],
  episodes: readonly Episode[],
): Record<string, number> {
  const leaves = episodes.filter((_, i) => rows[i]!.role === "train").map(({ leaf }) => leaf);
  if (!pass.sharedPrefix || leaves.length === 0) return {};
  const { packed, repeated } = packingCost(leaves).attention;
  return {
    "tokens/attention_share": packed / repeated,
    "tokens/predicted_speedup": predictedSpeedup(leaves, run.model.decoder.config),
  };
}

async function minibatchGradients(
  run: Run,
  { objective, pass, needs, engine }: GrpoStage,
  rows: readonly Row[],
  episodes: readonly Episode[],
  indices: readonly number[],
  mismatch: Mismatch | null,
) {
  const trained = indices.filter((i) => rows[i]!.role === "train");
  const batch = trained.map((i) => rows[i]!);
  const own = trained.map((i) => episodes[i]!);
  const wanted = batch.map(({ mask }) => mask);
  const { decoder, valueHead } = run.model;
  const before = objective.prepass ? currents(await scoreEpisodes(decoder, own, wanted, pass)) : null;
  const state = objective.prepare(batch, before);
  const tally: Tally = emptyTally();
  const options = {
    ...pass,
    // Until the first optimizer step the weights are those that sampled.
    kept: mismatch === null ? null : engine.kept,
    entropy: needs.entropy === true,
    valueHead: needs.value ? valueHead! : undefined,
    alternatives: needs.alternatives && batch.map((row) => row.alternatives!.ids),
  };
  const counts = await accumulateGradients(decoder, own, wanted, options, (chosen, said) => {
    mismatch?.compare(
      chosen.map((k) => trained[k]!),
      said,
    );
    return objective.rows(chosen, currents(said), state, tally);
  });
  return { tally, counts };
}

function currents({ logp, entropy, value, alternatives }: TokenScores): Current[] {
  return logp.map((values, i) => ({
    logp: values,
    entropy: entropy[i]!,
    ...(value && { value: value[i]! }),
    ...(alternatives && { alternatives: alternatives[i]! }),
  }));
}

/** Cuts the groups of a step into `count` runs of whole groups, as even as they come. */
function minibatches(rows: readonly Row[], count: number): number[][] {
  const groups = [...new Set(rows.map((row) => row.group))];
  const parts = Math.min(count, groups.length);
  return Array.from({ length: parts }, (_, part) => {
    const from = Math.floor((part * groups.length) / parts);
    const to = Math.floor(((part + 1) * groups.length) / parts);
    const chosen = new Set(groups.slice(from, to));
    return rows.flatMap((row, i) => (chosen.has(row.group) ? [i] : []));
  });
}

/**
 * Largest difference between the log-prob stored at sampling and the one the training forward gives, over tokens that the
 * current weights sampled: 0 on a CPU.
 */
class Mismatch {
  value: number | null = null;

  constructor(
    private readonly episodes: readonly Episode[],
    private readonly version: number,
  ) {}

  compare(indices: readonly number[], said: TokenScores): void {
    for (const [k, e] of indices.entries()) {
      const { leaf, promptLength } = this.episodes[e]!;
      let start = 0;
      for (const { segment, length } of pathSegments(leaf)) {
        const { sampled } = segment;
        if (sampled !== undefined && sampled.version === this.version) {
          for (let i = Math.max(0, promptLength - start); i < length; i++) {
            const now = said.logp[k]![start + i - promptLength]!;
            if (!Number.isNaN(now)) this.value = Math.max(this.value ?? 0, Math.abs(now - sampled.logprob[i]!));
          }
        }
        start += length;
      }
    }
  }
}

/** What helps to find out why a minibatch has no finite gradient. */
function dumpOf(row: Row, { leaf, promptLength }: Episode): object {
  const prompt = pathTokens(leaf).subarray(0, promptLength);
  const { group, role, tokens, text, reward, components, advantage, mask, rollout, old, reference, teacher } = row;
  return { group, role, prompt, tokens, text, reward, components, advantage, mask, rollout, old, reference, teacher };
}
