import { Origin, pathLength, pathSegments, type Segment } from "./segment.js";

/** Why a path ended. */
export type Finish = "stop" | "length" | "environment";

/** One decision of an environment inside a response: response indices [start, end). */
export interface Step {
  start: number;
  end: number;
  reward?: number;
  /** States that compare equal may be grouped across episodes (GiGPO). */
  anchor?: string;
  valid?: boolean;
  meta: Record<string, unknown>;
}

/** Values of one reward component. `unit` says what `values` runs over. */
export interface RewardComponent {
  unit: "episode" | "step" | "span" | "token";
  values: Float64Array;
}

/** Rewards of one episode. A component is `null` where it does not apply. */
export interface Scored {
  components: Record<string, RewardComponent | null>;
  /** Weighted sum over the applicable components; NaN when none applies. */
  total: number;
  /** What components noted beside their values, as `NAME/WHAT`. */
  details?: Record<string, number>;
}

/**
 * One path = one training row. Arrays run over the response: everything after `promptLength`.
 */
export interface Episode {
  leaf: Segment;
  promptLength: number;
  /** 1 where the token is trained: where origin = policy, unless a recipe says otherwise. */
  loss: Uint8Array;
  /** Named ids per response token, -1 = none (rank, turn, action, answer). */
  spans: Record<string, Int32Array>;
  steps: Step[];
  /** Index of the trajectory within the group this episode belongs to. */
  trajectory: number;
  /** `baseline` and `probe` episodes are scored, never trained. */
  role: "train" | "baseline" | "probe";
  weight: number;
  /** Whether the behaviour log-probs are those stored at sampling, or must be computed. */
  behaviour: "sampled" | "recompute";
  finish: Finish;
  /** Text of the completion, cut at a stop string (the tokens are kept whole). */
  text: string;
  rewards: Scored;
  /** Free-form record of the rollout: tool calls, environment states. */
  trace: Record<string, unknown>;
}

/** The episodes drawn for one task in one slot of one step. Ragged: episodes may have different roots. */
export interface Group {
  /** Position in the step's batch; with (seed, step) it keys the randomness of the group. */
  slot: number;
  task: Task;
  episodes: Episode[];
  meta: Record<string, unknown>;
}

/** One row of the data, ready to be rolled out. */
export interface Task {
  /** Row number in the data set. */
  index: number;
  prompt: Int32Array;
  /** The prompt as text, after template and chat template. */
  text: string;
  /** The whole data row, for rewards. */
  record: Record<string, unknown>;
}

/** The episodes of a group that are trained. */
export function trainedEpisodes(group: Group): Episode[] {
  return group.episodes.filter(({ role }) => role === "train");
}

/** The last trained episode of each trajectory of a group: a trajectory is rewarded once, however many prompts it had. */
export function trainedTrajectories(group: Group): Episode[] {
  return [...new Map(trainedEpisodes(group).map((episode) => [episode.trajectory, episode])).values()];
}

/** Number of response tokens of an episode. */
export function responseLength(episode: Episode): number {
  return pathLength(episode.leaf) - episode.promptLength;
}

/** Loss mask of a path: 1 on response tokens the policy wrote. */
export function policyLoss(leaf: Segment, promptLength: number): Uint8Array {
  const loss = new Uint8Array(pathLength(leaf) - promptLength);
  let start = 0;
  for (const { segment, length } of pathSegments(leaf)) {
    for (let i = Math.max(0, promptLength - start); i < length; i++) {
      if (segment.origin[i] === Origin.policy) loss[start + i - promptLength] = 1;
    }
    start += length;
  }
  return loss;
}

/** Per-token values stored at sampling, gathered over the response; NaN where a segment holds none. */
export function gatherSampled(episode: Episode, field: "logprob" | "entropy"): Float64Array {
  const values = new Float64Array(responseLength(episode)).fill(Number.NaN);
  let start = 0;
  for (const { segment, length } of pathSegments(episode.leaf)) {
    const source = segment.sampled?.[field];
    if (source !== undefined) {
      for (let i = Math.max(0, episode.promptLength - start); i < length; i++) {
        values[start + i - episode.promptLength] = source[i]!;
      }
    }
    start += length;
  }
  return values;
}
