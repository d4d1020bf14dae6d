import { makeAdvantage } from "../../../src/algorithms/advantage/registry.js";
import { advantageSchema } from "../../../src/config/schema/advantage.js";
import { rewardsSchema } from "../../../src/config/schema/rewards.js";
import { lastAnswer } from "../../../src/rewards/qa/last-answer.js";
import { exactMatch, normalizeAnswer, substringMatch } from "../../../src/rewards/qa/match-answer.js";
import { qaReward } from "../../../src/rewards/qa/qa-reward.js";
import { isSearchTranscript, retrievalHit, searchFormatReward } from "../../../src/rewards/qa/search-format.js";
import { searchEnvironment } from "../../../src/rollout/environments/search.js";
import { cutTurn, formatPassages, parseAction } from "../../../src/rollout/environments/search-protocol.js";
import { multiTurnStrategy } from "../../../src/rollout/multi-turn.js";
import { appendSegment, promptSegment, type RolloutContext } from "../../../src/rollout/strategy.js";
import { policyLoss } from "../../../src/tree/episode.js";
import { Origin, pathSegments, pathTokens, type Segment } from "../../../src/tree/segment.js";
import { policyTexts } from "../../../src/tree/turn.js";
import { type Data, groupNumbers, mask, numbers, type Op, row, sample } from "../adapter.js";
import { evaluate } from "./grpo-core-losses.js";

export const system = "Search-R1 protocol";

const list = (golden: string | string[]) => (typeof golden === "string" ? [golden] : golden);

function qa(options: Data) {
  const [spec] = rewardsSchema.parse([{ name: "em", kind: "qa", answer: "{golden}", ...options }]);
  return qaReward(spec as Parameters<typeof qaReward>[0]);
}

/** One token per character, as in the script that made the cases. */
const characters = {
  encode: (text: string) => Int32Array.from(text, (c) => c.codePointAt(0)!),
  decode: (ids: ArrayLike<number>) => Array.from(ids, (id) => String.fromCodePoint(id)).join(""),
};

/** Draws what a script says for each trajectory and turn. */
function scripted(scripts: string[][]): RolloutContext["engine"] {
  return {
    sample: async (_, keys) =>
      keys.map(({ sample: trajectory, turn }) => {
        const tokens = characters.encode(scripts[trajectory]![turn]!);
        const zeros = new Float32Array(tokens.length);
        return { tokens, logprob: zeros, entropy: zeros, finish: "stop", text: characters.decode(tokens) };
      }),
  };
}

/** A row of padded ids, with the origin that its masked copy tells. */
function segmentOf(parent: Segment, ids: number[], masked: number[], pad: number): Segment {
  const kept = ids.map((_, i) => i).filter((i) => ids[i] !== pad);
  const segment = appendSegment(
    parent,
    Int32Array.from(kept, (i) => ids[i]!),
    Origin.policy,
  );
  segment.origin = Uint8Array.from(kept, (i) => (masked[i] === pad ? Origin.environment : Origin.policy));
  return segment;
}

export const ops: Record<string, Op> = {
  qa_normalize_answer: ({ text }) => ({ normalized: normalizeAnswer(text) }),

  qa_exact_match: ({ prediction, golden }) => ({
    em: exactMatch(prediction, list(golden)) ? 1 : 0,
    substring_em: substringMatch(prediction, list(golden)) ? 1 : 0,
  }),

  search_r1_em_reward: ({ response, golden }) => ({
    extracted: lastAnswer([response]),
    reward: qa({})(sample(response, { golden })),
  }),

  search_r1_em_reward_full_string: ({ prompt, response, golden }, { format_score }) => ({
    extracted: lastAnswer([prompt + response], 2),
    reward: qa({ answer_source: "transcript", format_score })({ ...sample(response, { golden }), prompt }),
  }),

  search_r1_em_reward_segments: ({ segments, golden }) => {
    const turns = segments.map(({ text, model_token }: Data) =>
      model_token ? { action: text, observation: "" } : { action: "", observation: text },
    );
    return {
      extracted: lastAnswer(policyTexts(turns)),
      reward: qa({})({ ...sample("", { golden }), trace: { turns } }),
    };
  },

  search_r1_format_reward_full_string: ({ prompt, response, golden }, params) => {
    const structure = {
      structure: params.structure_format_score,
      final: params.final_format_score,
      retrieval: params.retrieval_score,
    };
    const extracted = lastAnswer([prompt + response], 2);
    const valid = isSearchTranscript(response);
    const hit = valid && retrievalHit(prompt + response, list(golden));
    const right = extracted === null ? null : exactMatch(extracted, list(golden));
    return {
      valid_sequence: valid,
      retrieval_correct: hit,
      extracted,
      reward: searchFormatReward(right, valid, hit, structure),
    };
  },

  search_r1_parse_action: ({ text }) => {
    const { kind, content } = parseAction(text);
    return { action: kind, content };
  },

  search_r1_truncate_response: ({ text }) => ({ text: cutTurn(text) }),

  search_r1_passages_to_string: ({ contents }) => ({ text: formatPassages(contents) }),

  search_r1_rollout_loop: async ({ scripts, retriever }, { max_turns, topk }) => {
    const documents = (query: string): string[] => retriever[query] ?? retriever["*"];
    const environment = searchEnvironment({ search: async (queries) => queries.map(documents) }, topk);
    const options = { maxTurns: max_turns, maxTurnTokens: 1e6, maxObservationTokens: 1e6, maxLength: 1e6 };
    const strategy = multiTurnStrategy(environment, characters, options);
    const task = { index: 0, prompt: characters.encode("?"), text: "?", record: {} };
    const [group] = strategy.run([{ task, slot: 0 }], {
      engine: scripted(scripts),
      sampling: { temperature: 1, topK: 0, topP: 1, minP: 0, stop: [], maxTokens: 1e6 },
      groupSize: scripts.length,
      purpose: 0,
      step: 1,
      version: 0,
      score: async () => {},
    });
    const { episodes } = await group!;
    const searchesOf = (turn: number) =>
      episodes.flatMap(({ steps }) => (steps[turn]?.meta.searched === true ? [steps[turn].meta.query] : []));
    const rounds = Math.min(max_turns, Math.max(...episodes.map(({ steps }) => steps.length)));
    return {
      trajectories: episodes.map(({ leaf, steps, finish }) => ({
        segments: pathSegments(leaf)
          .slice(1)
          .map(({ segment }) => ({
            text: characters.decode(segment.tokens),
            model_token: segment.origin[0] === Origin.policy,
          })),
        turns_stat: steps.length,
        valid_actions: steps.filter(({ valid }) => valid).length,
        valid_searches: steps.filter(({ meta }) => "query" in meta).length,
        still_active: finish !== "environment",
      })),
      query_batches: Array.from({ length: rounds }, (_, turn) => searchesOf(turn)),
    };
  },

  append_turn_with_loss_mask: (inputs, { pad_token_id: pad, max_len }) => {
    const paths = inputs.response_ids.map((response: number[], i: number) => {
      const root = promptSegment({ prompt: new Int32Array(0) });
      const before = segmentOf(root, inputs.prev_ids[i], inputs.prev_ids_info_masked[i], pad);
      const said = segmentOf(before, response, response, pad);
      const observation: number[] = inputs.observation_ids?.[i] ?? [];
      const leaf = segmentOf(said, observation, Array(observation.length).fill(pad), pad);
      return { tokens: pathTokens(leaf), loss: policyLoss(leaf, 0) };
    });
    const width = Math.min(max_len, Math.max(...paths.map(({ tokens }: Data) => tokens.length)));
    const padded = (values: ArrayLike<number>, fill: number) =>
      Array.from({ length: width }, (_, t) => values[t] ?? fill);
    return {
      ids: paths.map(({ tokens }: Data) => padded(tokens, pad)),
      loss_mask: paths.map(({ loss }: Data) => padded(loss, 0)),
      attention_mask: paths.map(({ tokens }: Data) => padded(new Uint8Array(tokens.length).fill(1), 0)),
    };
  },

  grpo_outcome_advantage: ({ scores, group, lengths }, { epsilon, T }) => {
    const order = groupNumbers(group);
    const indices = [...scores.keys()].sort((a, b) => order[a]! - order[b]! || a - b);
    const rows = indices.map((i) => row({ length: lengths[i], reward: scores[i], group: order[i]! }));
    const values = makeAdvantage(advantageSchema.parse({ single: "reward", epsilon })).estimate(rows);
    const of = (i: number) => values[indices.indexOf(i)]!;
    return {
      token_advantages: scores.map((_: number, i: number) => Array.from({ length: T }, (_, t) => of(i)[t] ?? 0)),
    };
  },

  ppo_clip_token_mean_plus_k3: (inputs, { clip, kl_coef, k3_clamp }) => {
    const rows = inputs.logp.map((logp: number[], i: number) =>
      row({
        length: logp.length,
        mask: mask(inputs.loss_mask[i]),
        old: numbers(inputs.old_logp[i]),
        reference: numbers(inputs.ref_logp[i]),
        advantage: numbers(inputs.advantages[i]),
      }),
    );
    const config = { epsilon_low: clip, epsilon_high: clip, aggregation: "token_mean" };
    const kl = { coefficient: kl_coef, limit: k3_clamp[1] };
    const policy = evaluate(rows, inputs.logp, config, 1);
    const total = evaluate(rows, inputs.logp, { ...config, kl }, 1);
    return {
      pg_loss: policy.loss,
      clip_fraction: policy.metrics["ratio/clip_region"],
      approx_kl_old_new: policy.metrics["kl/old"],
      kl_loss: total.metrics["kl/mean"],
      total: total.loss,
      grad_logp: total.grad_logps,
    };
  },
};
