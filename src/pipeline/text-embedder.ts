import { type Pooling, poolHidden } from "../algorithms/pooling.js";
import { Encoder } from "../model/encoder.js";
import type { TextEmbedder } from "../rewards/semantic/semantic-reward.js";
import { loadTokenizer } from "../tokenizer/tokenizer.js";

/**
 * Vectors of texts by a frozen encoder of the BERT family: pooled states of its last layer. A text that is too long loses tokens
 * before its last one, which ends it.
 *
 * @param folder Hugging Face folder with tokenizer
 * @throws GrpoError when the folder is incomplete or no encoder
 */
export async function openTextEmbedder(folder: string, pooling: Pooling): Promise<TextEmbedder> {
  const tokenizer = loadTokenizer(folder);
  const encoder = await Encoder.load(folder);
  const idsOf = (text: string) => {
    const ids = tokenizer.encode(text);
    if (ids.length <= encoder.maxLength) return ids;
    const kept = ids.slice(0, encoder.maxLength);
    kept[kept.length - 1] = ids.at(-1)!;
    return kept;
  };
  return {
    async embed(texts) {
      const hidden = await encoder.hidden(texts.map(idsOf));
      const { hiddenSize } = encoder.config;
      return hidden.map((states) => poolHidden(states, new Uint8Array(states.length / hiddenSize).fill(1), pooling));
    },
    close: () => encoder.dispose(),
  };
}
