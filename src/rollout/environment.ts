import type { Task } from "../tree/episode.js";

/** What an action led to. */
export interface ActionResult {
  /** Text that follows the action; "" where the environment adds nothing. */
  observation: string;
  /** No action follows. */
  done: boolean;
  /** What the action itself earned. */
  reward?: number;
  /** Whether it was an action that the environment knows. */
  valid?: boolean;
  /** The state the next action is taken in; states that compare equal may be grouped across episodes (GiGPO). */
  anchor?: string;
  /** Record of the action, such as the query of a search. */
  meta?: Record<string, unknown>;
}

/** One run of an environment: one trajectory of a group. */
export interface EnvironmentRun {
  /** The state the first action is taken in. */
  readonly anchor?: string;
  /**
   * Takes an action.
   *
   * @param final whether no further action can follow, whatever the result says
   */
  step(action: string, final: boolean): Promise<ActionResult>;
}

/**
 * Answers the actions of a policy with text. The prompt of a task shows its first state; all runs of a task start from the
 * same one. What an environment says must depend on the task and the actions alone, or runs cannot be repeated.
 */
export interface Environment {
  /** Texts that end an action, besides the stop strings of the rollout. */
  readonly stop: readonly string[];
  /** Turns after the last of `max_turns`, for an answer that may no longer ask for anything. */
  readonly finalTurns: number;
  /** The start of a sampled text that is the action; what the policy wrote after it is dropped. */
  cut(text: string): string;
  /** Starts a run for each of `count` trajectories of a task. */
  start(task: Task, count: number): Promise<EnvironmentRun[]>;
  /** What it measured since the last call, by the metric's name. */
  metrics?(): Record<string, number>;
  /** Ends what the environment runs beside itself. */
  close(): Promise<void>;
}
