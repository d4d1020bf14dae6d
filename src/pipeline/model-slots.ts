import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Needs } from "../algorithms/types.js";
import type { Stage } from "../config/schema.js";
import { advanceAverage } from "../engine/ops/blend.js";
import { copyTensor } from "../engine/ops/copy.js";
import { ExitCode, GrpoError } from "../errors.js";
import { Decoder } from "../model/decoder.js";
import { loadDecoder } from "../model/weights.js";
import { elementType, type LoadedModel } from "./policy-model.js";
import type { Run } from "./run.js";

type SlotConfig = Stage["models"][string];

interface Slot {
  config: SlotConfig;
  decoder: Decoder;
}

/** Frozen models beside the policy, by name: made only for what some part needs. */
export class ModelSlots {
  readonly #slots = new Map<string, Slot>();

  private constructor(private readonly run: Run) {}

  /** Loads or copies the models that `needs` asks for; a resumed stage finds them in its checkpoint. */
  static async create(run: Run, stage: Stage, needs: Needs): Promise<ModelSlots> {
    const slots = new ModelSlots(run);
    const wanted = [
      ...(needs.reference ? [["reference", stage.objective.kl.model] as const] : []),
      ...(needs.hidden === undefined ? [] : [["hidden", needs.hidden] as const]),
      ...(needs.teacher ? [["teacher", "teacher"] as const] : []),
    ];
    for (const [role, name] of wanted) {
      const config = stage.models[name];
      if (config === undefined) {
        throw new GrpoError(
          "GRPO_CONFIG",
          `models.${name}: this objective needs the model "${name}", which is not there`,
          {
            exitCode: ExitCode.config,
            fix: `add models.${name}, for example {kind: path, path: DIR}`,
          },
        );
      }
      slots.#slots.set(role, { config, decoder: await slots.#load(role, config) });
    }
    return slots;
  }

  async #load(role: string, config: SlotConfig): Promise<Decoder> {
    const { run } = this;
    const policy = run.model.decoder;
    const dtype = elementType(run.config.model.dtype);
    if (config.kind === "path") return loadDecoder(config.path, dtype, policy.maxLength);
    const saved = run.resumed === null ? null : join(run.resumed, "trainer", "models", role);
    if (saved !== null && run.state.stageStep > 0 && existsSync(saved))
      return loadDecoder(saved, dtype, policy.maxLength);
    return copyDecoder(policy);
  }

  decoder(role: string): Decoder {
    return this.#slots.get(role)!.decoder;
  }

  /** Moves the averages after a step: slot := decay slot + (1 - decay) policy. */
  async advance(step: number): Promise<void> {
    for (const { config, decoder } of this.#slots.values()) {
      if (config.kind !== "ema") continue;
      const weights = (model: Decoder) => model.parameters().map(({ value }) => value);
      advanceAverage(config, step, weights(decoder), weights(this.run.model.decoder));
    }
  }

  /** What a checkpoint must keep: every model that no folder holds. */
  saved(): Record<string, LoadedModel> {
    const { tokenizer, generation } = this.run.model;
    return Object.fromEntries(
      [...this.#slots]
        .filter(([, { config }]) => config.kind !== "path")
        .map(([role, { decoder }]) => [role, { decoder, tokenizer, generation }]),
    );
  }

  dispose(): void {
    for (const { decoder } of this.#slots.values()) decoder.dispose();
  }
}

/** A decoder with the same weights in memory of its own. */
export function copyDecoder(policy: Decoder): Decoder {
  const copy = new Decoder(policy.config, policy.dtype, policy.maxLength);
  const source = policy.parameters();
  for (const [i, parameter] of copy.parameters().entries()) copyTensor(parameter.value, source[i]!.value);
  return copy;
}
