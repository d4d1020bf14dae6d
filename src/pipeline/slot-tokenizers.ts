import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Stage } from "../config/schema.js";
import { modelError, readModelConfig } from "../model/config.js";
import { loadTokenizer, type Tokenizer } from "../tokenizer/tokenizer.js";

/**
 * Checks that every model from a folder reads the policy's ids: log-probs of one model's tokens under another mean something only
 * where an id is the same text in both.
 *
 * @returns names of the slots whose models end their responses with other tokens than the policy
 * @throws GrpoError GRPO_MODEL (exit code 4) naming the slot and the first id that differs
 */
export function checkSlotTokenizers(models: Stage["models"], policy: Tokenizer): ReadonlySet<string> {
  const others = new Set<string>();
  for (const [name, slot] of Object.entries(models)) {
    if (slot.kind !== "path") continue;
    const { vocabSize } = readModelConfig(slot.path);
    if (vocabSize < policy.size) {
      throw modelError(
        `models.${name}: ${slot.path} has ${vocabSize} rows (vocab_size), the policy's tokenizer ${policy.size} ids`,
        SAME_TOKENIZER,
      );
    }
    // A bare model folder says nothing of its tokens; its owner vouches for them.
    if (!existsSync(join(slot.path, "tokenizer.json"))) continue;
    const own = loadTokenizer(slot.path);
    for (let id = 0; id < policy.size; id++) {
      if (own.token(id) === policy.token(id)) continue;
      const [its, ours] = [own, policy].map((tokenizer) => JSON.stringify(tokenizer.token(id) ?? null));
      throw modelError(
        `models.${name}: ${slot.path} has another tokenizer: its id ${id} is ${its}, the policy's ${ours}`,
        SAME_TOKENIZER,
      );
    }
    const ends = ({ eosId, endTokenIds }: Tokenizer) => JSON.stringify([eosId, endTokenIds]);
    if (ends(own) !== ends(policy)) others.add(name);
  }
  return others;
}

const SAME_TOKENIZER = "use a model of the policy's family, with the same tokenizer";
