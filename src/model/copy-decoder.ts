import { copyTensor } from "../engine/ops/copy.js";
import { Decoder } from "./decoder.js";

/** A decoder with the same weights in memory of its own. */
export function copyDecoder(source: Decoder): Decoder {
  const copy = new Decoder(source.config, source.dtype, source.maxLength);
  copyWeights(copy, source);
  return copy;
}

/** Overwrites the weights of a decoder with those of another of the same shape and type. */
export function copyWeights(target: Decoder, source: Decoder): void {
  const from = source.parameters();
  for (const [i, { value }] of target.parameters().entries()) copyTensor(value, from[i]!.value);
}
