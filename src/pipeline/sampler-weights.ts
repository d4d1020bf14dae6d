import { join } from "node:path";
import type { Stage } from "../config/schema.js";
import { copyDecoder, copyWeights } from "../model/copy-decoder.js";
import type { Decoder } from "../model/decoder.js";
import { loadDecoder } from "../model/weights.js";
import type { SavedModel } from "./checkpoint.js";
import { elementType } from "./policy-model.js";
import type { Run } from "./run.js";
import type { Stateful } from "./stage.js";

/** When weights were taken, and how many optimizer steps they have seen. */
interface Taken {
  stageStep: number;
  version: number;
}

/**
 * The weights that the sampler reads: the policy's own, or with `rollout.sync` a copy that lags behind. A copy is taken before
 * every `interval`th step; the sampler goes over to it `offset` steps later.
 */
export class SamplerWeights implements Stateful {
  readonly stateName = "sampler_weights";
  #active: Taken = { stageStep: 0, version: 0 };
  #waiting: (Taken & { decoder: Decoder })[] = [];

  private constructor(
    private readonly run: Run,
    private readonly sync: Stage["rollout"]["sync"],
    /** What the sampler runs. */
    readonly decoder: Decoder,
  ) {}

  /** Makes the copy where there is to be one; a resumed stage finds it, and those that wait, in its checkpoint. */
  static async create(run: Run, { rollout: { sync } }: Stage): Promise<SamplerWeights> {
    const policy = run.model.decoder;
    if (sync.interval === 1 && sync.offset === 0) return new SamplerWeights(run, sync, policy);
    if (run.resumed === null || run.state.stageStep === 0) return new SamplerWeights(run, sync, copyDecoder(policy));
    const trainer = join(run.resumed, "trainer");
    const load = (i: number) =>
      loadDecoder(join(trainer, folderOf(i)), elementType(run.config.model.dtype), policy.maxLength);
    const weights = new SamplerWeights(run, sync, await load(0));
    const { waiting } = run.state.components[weights.stateName] as { waiting: Taken[] };
    for (const [i, taken] of waiting.entries()) {
      weights.#waiting.push({ ...taken, decoder: await load(i + 1) });
    }
    return weights;
  }

  get lags(): boolean {
    return this.decoder !== this.run.model.decoder;
  }

  /** Optimizer steps that the sampler's weights have seen. */
  get version(): number {
    return this.lags ? this.#active.version : this.run.state.version;
  }

  /** Steps since the sampler's weights were the policy's. */
  get age(): number {
    return this.lags ? this.run.state.stageStep - this.#active.stageStep : 0;
  }

  /** To be called before each step: takes a copy, or hands one over, where it is time. */
  begin(): void {
    if (!this.lags) return;
    const { stageStep, version } = this.run.state;
    const { interval, offset } = this.sync;
    if (stageStep === 0) this.#active = { stageStep, version };
    else if (stageStep % interval === 0) {
      this.#waiting.push({ stageStep, version, decoder: copyDecoder(this.run.model.decoder) });
    }
    while (this.#waiting.length > 0 && this.#waiting[0]!.stageStep + offset <= stageStep) {
      const { decoder, ...taken } = this.#waiting.shift()!;
      copyWeights(this.decoder, decoder);
      decoder.dispose();
      this.#active = taken;
    }
  }

  /** What a checkpoint must keep. */
  saved(): Record<string, SavedModel> {
    if (!this.lags) return {};
    const { tokenizer, generation } = this.run.model;
    const decoders = [this.decoder, ...this.#waiting.map(({ decoder }) => decoder)];
    return Object.fromEntries(
      decoders.map((decoder, i) => [folderOf(i), { model: { decoder, tokenizer, generation }, extra: {} }]),
    );
  }

  saveState(): unknown {
    const waiting = this.#waiting.map(({ stageStep, version }) => ({ stageStep, version }));
    return { active: this.#active, waiting };
  }

  loadState(state: unknown): void {
    this.#active = (state as { active: Taken }).active;
  }

  dispose(): void {
    if (!this.lags) return;
    for (const { decoder } of this.#waiting) decoder.dispose();
    this.decoder.dispose();
  }
}

/** Where a checkpoint keeps the weights in use (0) and those that wait, oldest first. */
function folderOf(i: number): string {
  return join("sampler", String(i));
}
