import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Needs } from "../algorithms/types.js";
import type { Stage } from "../config/schema.js";
import { advanceAverage, distance } from "../engine/ops/blend.js";
import { Tensor } from "../engine/tensor.js";
import { ExitCode, GrpoError } from "../errors.js";
import { copyDecoder } from "../model/copy-decoder.js";
import type { Decoder } from "../model/decoder.js";
import { openSafetensors, rawElements } from "../model/safetensors.js";
import { loadDecoder } from "../model/weights.js";
import type { SavedModel } from "./checkpoint.js";
import { elementType } from "./policy-model.js";
import type { Run } from "./run.js";

type SlotConfig = Stage["models"][string];

interface Slot {
  config: SlotConfig;
  decoder: Decoder;
  /** The other halves of a bf16 average's float32 masters, per parameter; none for other slots. */
  low: readonly Tensor[];
}

/** Frozen models beside the policy, by the name that parts give them: made only for what some part needs. */
export class ModelSlots {
  readonly #slots = new Map<string, Slot>();

  private constructor(private readonly run: Run) {}

  /**
   * Loads or copies the models that `needs` asks for; a resumed stage finds them in its checkpoint.
   *
   * @throws GrpoError GRPO_CONFIG (exit code 3) when the stage has no model of such a name
   */
  static async create(run: Run, { models }: Stage, needs: Needs): Promise<ModelSlots> {
    const slots = new ModelSlots(run);
    for (const name of new Set([needs.reference, needs.teacher, needs.hidden])) {
      if (name === undefined) continue;
      const config = models[name];
      if (config === undefined) {
        throw new GrpoError("GRPO_CONFIG", `models.${name}: a part of the stage needs this model, which is not there`, {
          exitCode: ExitCode.config,
          fix: `add models.${name}, for example {kind: path, path: DIR}`,
        });
      }
      slots.#slots.set(name, await slots.#load(name, config));
    }
    return slots;
  }

  async #load(name: string, config: SlotConfig): Promise<Slot> {
    const { run } = this;
    const policy = run.model.decoder;
    const dtype = elementType(run.config.model.dtype);
    if (config.kind === "path") {
      return { config, decoder: await loadDecoder(config.path, dtype, policy.maxLength), low: [] };
    }
    const saved = run.resumed === null ? null : join(run.resumed, "trainer", folderOf(name));
    const found = saved !== null && run.state.stageStep > 0 && existsSync(saved);
    const decoder = found ? await loadDecoder(saved, dtype, policy.maxLength) : copyDecoder(policy);
    if (config.kind !== "ema" || dtype !== "bf16") return { config, decoder, low: [] };
    const low = decoder.parameters().map(({ value }) => Tensor.zeros("u8", [2 * value.size]));
    if (found) {
      const stored = openSafetensors(join(saved, "extra.safetensors"));
      decoder.parameters().forEach(({ name: parameter }, i) => {
        low[i]!.write(rawElements(stored.get(parameter)!));
      });
    }
    return { config, decoder, low };
  }

  decoder(name: string): Decoder {
    return this.#slots.get(name)!.decoder;
  }

  /**
   * Moves the averages after a step: slot := decay slot + (1 - decay) policy.
   *
   * @returns `models/NAME/distance`: how far the weights of each are from the policy's then
   */
  advance(step: number): Record<string, number> {
    const distances: Record<string, number> = {};
    for (const [name, { config, decoder, low }] of this.#slots) {
      if (config.kind !== "ema") continue;
      const weights = (model: Decoder) => model.parameters().map(({ value }) => value);
      const policy = weights(this.run.model.decoder);
      advanceAverage(config, step, weights(decoder), policy, low);
      distances[`models/${name}/distance`] = distance(weights(decoder), policy);
    }
    return distances;
  }

  /** What a checkpoint must keep, by folder: every model that no other folder holds. */
  saved(): Record<string, SavedModel> {
    const { tokenizer, generation } = this.run.model;
    return Object.fromEntries(
      [...this.#slots]
        .filter(([, { config }]) => config.kind !== "path")
        .map(([name, { decoder, low }]) => {
          const extra = Object.fromEntries(low.map((tensor, i) => [decoder.parameters()[i]!.name, tensor]));
          return [folderOf(name), { model: { decoder, tokenizer, generation }, extra }];
        }),
    );
  }

  dispose(): void {
    for (const { decoder, low } of this.#slots.values()) {
      decoder.dispose();
      for (const tensor of low) tensor.dispose();
    }
  }
}

function folderOf(name: string): string {
  return join("models", name);
}
