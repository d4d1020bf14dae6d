import * as z from "zod";
import { defaultKind, pathString } from "./parts.js";

const factor = z.number().positive().describe("How many times longer the context becomes.");
const trained = z.int().positive().describe("Context length before scaling, in tokens.");

const ropeScalingSchema = z.discriminatedUnion("rope_type", [
  z.strictObject({ rope_type: z.literal("linear"), factor }).describe("Positions divided by the factor."),
  z
    .strictObject({ rope_type: z.literal("dynamic"), factor })
    .describe("A base that grows with the longest allowed sequence, fixed once per run."),
  z
    .strictObject({
      rope_type: z.literal("llama3"),
      factor,
      low_freq_factor: z.number().positive().describe("Wavelengths above context / this are scaled."),
      high_freq_factor: z.number().positive().describe("Wavelengths below context / this are left alone."),
      original_max_position_embeddings: trained,
    })
    .describe("Llama 3: scales long wavelengths only, smoothly."),
  z
    .strictObject({
      rope_type: z.literal("yarn"),
      factor,
      original_max_position_embeddings: trained.optional(),
      attention_factor: z
        .number()
        .positive()
        .optional()
        .describe("Factor of the attention logits; from `factor` when absent."),
      beta_fast: z
        .number()
        .positive()
        .optional()
        .describe("Rotations above which a dimension is left alone; 32 when absent."),
      beta_slow: z.number().positive().optional().describe("Rotations below which it is fully scaled; 1 when absent."),
      mscale: z.number().optional().describe("Numerator of the attention factor, as in DeepSeek."),
      mscale_all_dim: z.number().optional().describe("Denominator of the attention factor, as in DeepSeek."),
      truncate: z
        .boolean()
        .optional()
        .describe("Round the range of scaled dimensions to whole ones; true when absent."),
    })
    .describe("YaRN (arXiv 2309.00071)."),
]);

/** A model made from random weights; the keys are those of a Hugging Face `config.json`. */
export const architectureSchema = z
  .strictObject({
    model_type: z.enum(["llama", "qwen2", "qwen3"]).describe("Decoder family."),
    vocab_size: z
      .int()
      .positive()
      .optional()
      .describe("Rows of the embedding; the size of the tokenizer when absent, and never less."),
    hidden_size: z.int().positive().describe("Width of the residual stream."),
    intermediate_size: z.int().positive().describe("Width of the feed-forward layer."),
    num_hidden_layers: z.int().positive().describe("Number of decoder layers."),
    num_attention_heads: z.int().positive().describe("Query heads."),
    num_key_value_heads: z
      .int()
      .positive()
      .optional()
      .describe("Key and value heads; as many as query heads when absent."),
    head_dim: z.int().positive().optional().describe("Width of a head; hidden_size / num_attention_heads when absent."),
    max_position_embeddings: z.int().positive().default(2048).describe("Longest sequence, in tokens."),
    rms_norm_eps: z.number().positive().default(1e-6).describe("Added to the mean square in RMSNorm, as in Qwen."),
    rope_theta: z.number().positive().default(10_000).describe("Base of the rotary frequencies, as in Llama."),
    rope_scaling: ropeScalingSchema.optional().describe("Scaling of the rotary frequencies; none when absent."),
    tie_word_embeddings: z
      .boolean()
      .default(true)
      .describe("One matrix for embedding and head: a small model spends most of its weights there."),
    attention_bias: z
      .boolean()
      .default(false)
      .describe("Bias of the attention projections (llama, qwen3; qwen2 always has it); off, as in Llama."),
    mlp_bias: z.boolean().default(false).describe("Bias of the feed-forward projections; off, as in Llama."),
    initializer_range: z
      .number()
      .positive()
      .default(0.02)
      .describe("Standard deviation of the random weights, as in transformers."),
  })
  .describe("Start from random weights instead of a model folder; keys as in a Hugging Face config.json.");

const tokenizerSchema = z
  .strictObject({
    path: pathString().optional().describe("Folder that holds tokenizer.json."),
    alphabet: z.string().min(1).optional().describe("Characters of a tokenizer with one token per character."),
  })
  .describe(
    "The tokenizer, where it is not that of the model folder: a folder, or an alphabet; that of the built-in task when absent.",
  );

export const modelSchema = z
  .strictObject({
    path: pathString().optional().describe("Hugging Face model folder: config.json, safetensors, tokenizer."),
    architecture: architectureSchema.optional(),
    tokenizer: tokenizerSchema.optional(),
    dtype: z
      .enum(["fp32", "bf16"])
      .default("fp32")
      .describe("Type of weights and activations. fp32 is the one that is never wrong; bf16 is twice as fast."),
  })
  .describe("The policy that is trained: `path` to a model folder, or an `architecture` with random weights.");

const slotSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: defaultKind("initial") }).describe("The policy as it was at the start of the stage."),
  z
    .strictObject({
      kind: z.literal("ema"),
      decay: z
        .number()
        .min(0)
        .max(1)
        .default(0.4)
        .describe("slot := decay * slot + (1 - decay) * policy; 0.4 as in TR-DPO and TRL (mixup alpha 0.6)."),
      every: z.int().positive().default(512).describe("Steps between two updates of the slot, as in TRL."),
    })
    .describe("An average of past policies."),
  z
    .strictObject({ kind: z.literal("path"), path: pathString().describe("Hugging Face model folder.") })
    .describe("Another model with the same tokenizer."),
]);

export const modelsSchema = z
  .object({
    reference: slotSchema
      .prefault({})
      .describe("What a KL term measures against; the policy at the start of the stage, as in the papers."),
  })
  .catchall(slotSchema)
  .prefault({})
  .describe("Frozen models by name, each loaded only if some part asks for it.");
