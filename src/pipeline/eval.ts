import type { EvaluateOptions } from "./options.js";

export async function evaluate(_options: EvaluateOptions): Promise<void> {
  throw new Error("not landed");
}
