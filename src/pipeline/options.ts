/** What the command line says about a training run, besides its configuration. */
export interface TrainOptions {
  /** Continue the run's last checkpoint (`true`), or that of another run folder. */
  resume?: string | true;
  /** Continue even on another instruction set than the run's, with results that differ in the last bits. */
  force: boolean;
  /** Move an existing run folder out of the way. */
  overwrite: boolean;
  /** Check everything that can be checked without training, and stop. */
  dryRun: boolean;
  device: "auto" | "cpu" | "cuda";
  /** Aborted when the user interrupts: save, then return. */
  signal: AbortSignal;
}

export interface EvaluateOptions {
  /** Hugging Face model folder. */
  model: string;
  /** Names of benchmarks, looked up in `data`, or paths of data files. */
  benchmarks: string[];
  /** Folder that holds benchmarks by name. */
  data?: string;
  /** Completions per prompt. */
  samples: number;
  limit?: number;
  /** 0 = greedy. */
  temperature: number;
  maxCompletionTokens: number;
  /** Prompt text with `{column}`; the column `prompt` when absent. */
  template?: string;
  /** Expected answer with `{column}`. */
  answer: string;
  /** A built-in reward kind, or the path of a reward module. */
  reward: string;
  /** Folder for the scores and the completions. */
  out?: string;
  /** Choose so many unlike completions per prompt, with this ridge and width of the projection. */
  coreset?: { k: number; lambda: number; dim: number };
  seed: number;
  signal: AbortSignal;
}

export interface ExportOptions {
  checkpoint: string;
  format: "hf";
  out: string;
  /** Load the result again and compare its logits with the checkpoint's. */
  verify: boolean;
}

export interface GenerateOptions {
  model: string;
  prompt: string;
  maxTokens: number;
  temperature: number;
  topP: number;
  topK: number;
  minP: number;
  seed: number;
  samples: number;
  /** Render the prompt through the chat template; when absent, text is used as it is. */
  chat?: boolean;
  signal: AbortSignal;
}
