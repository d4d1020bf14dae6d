import type { Row } from "../algorithms/types.js";
import type { Decoder } from "../model/decoder.js";
import type { Episode } from "../tree/episode.js";
import { pathSegments } from "../tree/segment.js";
import type { GrpoStage } from "./grpo-stage.js";
import { headScores } from "./head-pass.js";
import { scoreEpisodes } from "./policy.js";
import { responseFeatures } from "./response-features.js";
import type { Run } from "./run.js";
import { topTokens } from "./top-tokens.js";

/**
 * Fills in what some part declares and the sampler does not already have: `old` log-probs where the sampler's own are not
 * exact, those of frozen models, values, hidden states.
 */
export async function annotate(
  run: Run,
  s: GrpoStage,
  rows: readonly Row[],
  episodes: readonly Episode[],
): Promise<void> {
  const wanted = wantedOf(rows);
  if (s.needs.old) {
    const { old } = s.stage.objective;
    const asked = episodes.flatMap((episode, i) => {
      const stored = episode.behaviour === "sampled" && old !== "recompute";
      const serves = stored && (old === "behaviour" || isOfVersion(episode, run.state.version));
      return episode.role === "train" && !serves ? [i] : [];
    });
    const { logp } = await scoreEpisodes(run.model.decoder, pick(episodes, asked), pick(wanted, asked), s.pass);
    for (const row of rows) row.old = row.rollout!;
    asked.forEach((i, k) => {
      rows[i]!.old = logp[k]!;
    });
  }
  if (s.needs.value) {
    const { decoder, valueHead } = run.model;
    const values = await headScores(decoder, valueHead!, episodes, wanted, s.pass);
    rows.forEach((row, i) => {
      row.value = values[i]!;
    });
  }
  if (s.needs.hidden !== undefined) {
    const features = await responseFeatures(s.slots.decoder(s.needs.hidden), episodes, s.pass);
    rows.forEach((row, i) => {
      row.hidden = features[i]!.hidden;
      row.hiddenLogprob = features[i]!.logprob;
    });
  }
  if (s.needs.reference !== undefined) {
    const { logp } = await scoreEpisodes(s.slots.decoder(s.needs.reference), episodes, wanted, s.pass);
    rows.forEach((row, i) => {
      row.reference = logp[i]!;
    });
  }
  if (s.needs.teacher !== undefined) await askTeacher(run, s, s.slots.decoder(s.needs.teacher), rows, episodes, wanted);
}

/** Log-probs of the teacher, and those of the likeliest tokens beside each action where some part compares them. */
async function askTeacher(
  run: Run,
  s: GrpoStage,
  teacher: Decoder,
  rows: readonly Row[],
  episodes: readonly Episode[],
  wanted: readonly Uint8Array[],
): Promise<void> {
  const top = s.needs.alternatives;
  const chooser = top?.of === "policy" ? run.model.decoder : teacher;
  const ids = top && (await topTokens(chooser, episodes, wanted, s.pass, top.k));
  const { logp, alternatives } = await scoreEpisodes(teacher, episodes, wanted, s.pass, ids);
  rows.forEach((row, i) => {
    row.teacher = logp[i]!;
    if (ids !== undefined) row.alternatives = { width: top!.k, ids: ids[i]!, teacher: alternatives![i]! };
  });
}

/** Fills in the log-probs that the policy has after the updates of the step. */
export async function annotateUpdated(
  run: Run,
  s: GrpoStage,
  rows: readonly Row[],
  episodes: readonly Episode[],
): Promise<void> {
  const { logp } = await scoreEpisodes(run.model.decoder, episodes, wantedOf(rows), s.pass);
  rows.forEach((row, i) => {
    row.updated = logp[i]!;
  });
}

/** Trained actions of trained rows. */
function wantedOf(rows: readonly Row[]): Uint8Array[] {
  return rows.map(({ mask, role, length }) => (role === "train" ? mask : new Uint8Array(length)));
}

/** Whether the weights that drew an episode had seen `version` optimizer steps. */
function isOfVersion({ leaf }: Episode, version: number): boolean {
  return pathSegments(leaf).every(({ segment }) => (segment.sampled?.version ?? version) === version);
}

function pick<T>(items: readonly T[], indices: readonly number[]): T[] {
  return indices.map((i) => items[i]!);
}
