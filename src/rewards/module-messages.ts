import type { ValueProblem } from "./check-values.js";
import type { RewardContext, RewardSample } from "./types.js";
import type { ModuleFailure } from "./user-module.js";

/** What the worker of a module reward is started with. */
export interface ModuleStart {
  path: string;
  seed: number;
  /** Int32 cell that holds the index of the sample read last, -1 before the first. */
  lastRead: SharedArrayBuffer;
}

/** One call, host to worker. The token ids of all samples travel in one transferred array. */
export interface ModuleCall {
  samples: Omit<RewardSample, "tokens">[];
  tokens: Int32Array;
  /** End of each sample's ids in `tokens`. */
  tokenEnds: Int32Array;
  context: RewardContext;
}

/** Host to worker. */
export type ModuleRequest = ModuleCall | "close";

/** Worker to host: once after loading, then once per call. `values` holds NaN for null. */
export type ModuleAnswer =
  | { kind: "ready" }
  | { kind: "no_function"; got: string }
  | { kind: "load_failed"; failure: ModuleFailure }
  | { kind: "scored"; values: Float64Array; logged: { name: string; value: number }[] }
  | { kind: "bad_values"; problem: ValueProblem }
  | { kind: "threw"; failure: ModuleFailure };
