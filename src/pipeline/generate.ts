import type { GenerateOptions } from "./options.js";

export async function generate(_options: GenerateOptions): Promise<void> {
  throw new Error("not landed");
}
