import type { ModelConfig } from "./config.js";

/** What of a model's config decides its rotary positions. */
type RopeConfig = Pick<ModelConfig, "rope" | "headDim" | "maxPositions">;

/**
 * Inverse frequencies of rotary position embedding and the factor on cos and sin, as in transformers' modeling_rope_utils.
 *
 * @param longest the longest sequence the run allows; `dynamic` scaling is fixed from it once (docs/design.md, rule 8)
 * @returns frequencies (headDim / 2), float64
 */
export function ropeFrequencies(config: RopeConfig, longest: number): { frequencies: Float64Array; scaling: number } {
  const { rope, headDim: dim, maxPositions } = config;
  const inverse = (base: number) => Float64Array.from({ length: dim / 2 }, (_, i) => 1 / base ** ((2 * i) / dim));
  switch (rope.type) {
    case "default":
      return { frequencies: inverse(rope.theta), scaling: 1 };
    case "linear":
      return { frequencies: inverse(rope.theta).map((f) => f / rope.factor!), scaling: 1 };
    case "dynamic": {
      // NTK-aware scaling of the base for sequences beyond the trained length.
      const length = Math.max(longest, maxPositions);
      const base = rope.theta * ((rope.factor! * length) / maxPositions - (rope.factor! - 1)) ** (dim / (dim - 2));
      return { frequencies: inverse(base), scaling: 1 };
    }
    case "llama3":
      return { frequencies: llama3(inverse(rope.theta), rope), scaling: 1 };
    case "yarn":
      return yarn(inverse(rope.theta), config);
  }
}

/** Llama 3.1: long wavelengths divided by `factor`, short ones kept, a linear blend between. */
function llama3(frequencies: Float64Array, rope: ModelConfig["rope"]): Float64Array {
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositions } = rope as Required<typeof rope>;
  return frequencies.map((f) => {
    const wavelength = (2 * Math.PI) / f;
    if (wavelength > originalMaxPositions / lowFreqFactor) return f / factor;
    if (wavelength < originalMaxPositions / highFreqFactor) return f;
    const smooth = (originalMaxPositions / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
    return ((1 - smooth) * f) / factor + smooth * f;
  });
}

/** YaRN (Peng et al. 2023, arXiv 2309.00071): interpolation and extrapolation blended by a ramp over the dimensions. */
function yarn(frequencies: Float64Array, config: RopeConfig): { frequencies: Float64Array; scaling: number } {
  const { rope, headDim: dim } = config;
  const factor = rope.factor!;
  const original = rope.originalMaxPositions!;
  const magnitude = (scale: number, m = 1) => (scale <= 1 ? 1 : 0.1 * m * Math.log(scale) + 1);
  const scaling =
    rope.attentionFactor ??
    (rope.mscale && rope.mscaleAllDim
      ? magnitude(factor, rope.mscale) / magnitude(factor, rope.mscaleAllDim)
      : magnitude(factor));
  const correction = (rotations: number) =>
    (dim * Math.log(original / (rotations * 2 * Math.PI))) / (2 * Math.log(rope.theta));
  let low = correction(rope.betaFast || 32);
  let high = correction(rope.betaSlow || 1);
  if (rope.truncate ?? true) {
    low = Math.floor(low);
    high = Math.ceil(high);
  }
  low = Math.max(low, 0);
  high = Math.min(high, dim - 1);
  if (low === high) high += 0.001;
  return {
    scaling,
    frequencies: frequencies.map((f, i) => {
      const extrapolation = 1 - Math.min(1, Math.max(0, (i - low) / (high - low)));
      return (f / factor) * (1 - extrapolation) + f * extrapolation;
    }),
  };
}

/** Table (positions, headDim): cos of the first half, then sin, both times the scaling. */
export function ropeTable(config: RopeConfig, positions: number): Float64Array {
  const { frequencies, scaling } = ropeFrequencies(config, positions);
  const half = config.headDim / 2;
  const table = new Float64Array(positions * config.headDim);
  for (let p = 0; p < positions; p++) {
    for (let i = 0; i < half; i++) {
      // float32 frequencies and angles, as the reference implementations compute them.
      const angle = Math.fround(p * Math.fround(frequencies[i]!));
      table[p * config.headDim + i] = Math.cos(angle) * scaling;
      table[p * config.headDim + half + i] = Math.sin(angle) * scaling;
    }
  }
  return table;
}
