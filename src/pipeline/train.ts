import type { LoadedConfig } from "../config/load.js";
import type { TrainOptions } from "./options.js";

/** Trains what `loaded` describes. */
export async function train(_loaded: LoadedConfig, _options: TrainOptions): Promise<void> {
  throw new Error("not landed");
}
