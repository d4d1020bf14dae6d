import { ExitCode, GrpoError } from "../errors.js";
import { loadAddon } from "../native/load.js";
import { gradNorm } from "./grad-norm.js";
import { PANEL, type Parameter } from "./parameter.js";
import { accumulatorType, Tensor } from "./tensor.js";

/** Gradient elements that share one scale of 8-bit moments (native/cpp/kernels/adamw.h). */
const BLOCK = 256;
/** 1 / plastic number: with it the dither of successive steps is equidistributed. */
const DITHER = 0.7548776662466927;

/** Settings of {@link AdamW}. */
export interface AdamWOptions {
  beta1: number;
  beta2: number;
  epsilon: number;
  /** Decoupled decay; applies to every parameter, as in torch.optim.AdamW. */
  weightDecay: number;
  /** `int8` keeps block-wise 8-bit moments: 2 bytes per weight instead of 8. */
  moments?: "f32" | "int8";
}

/** What {@link AdamW.step} reports. */
export interface AdamWReport {
  /** Global norm of the gradient before clipping. */
  gradNorm: number;
  /** True when norm or loss were not finite: weights and moments are as they were. */
  skipped: boolean;
}

/** Everything a resume needs besides the weights: see {@link AdamW.state}. */
export interface AdamWState<T> {
  steps: number;
  tensors: Record<string, T>;
}

interface Slot {
  parameter: Parameter;
  panels: number;
  pairs: boolean;
  m: Tensor;
  v: Tensor;
  low: Tensor | null;
  scales: Tensor | null;
}

/**
 * AdamW (Loshchilov & Hutter 2019, algorithm 2) with the semantics of torch.optim.AdamW and clipping by global norm with
 * those of torch.nn.utils.clip_grad_norm_. Weights have a float32 master: for bf16 the weight itself and 16 more bits.
 */
export class AdamW {
  readonly #slots: Slot[];
  readonly #options: AdamWOptions;
  #steps = 0;

  constructor(parameters: readonly Parameter[], options: AdamWOptions) {
    this.#options = options;
    this.#slots = parameters.map((parameter) => newSlot(parameter, options.moments === "int8"));
  }

  /**
   * One step from the gradients of the parameters, which stay as they are. A parameter without a gradient is left alone, as
   * in torch.
   *
   * @param maxGradNorm gradients are scaled down to this global norm; null is off
   * @param skipGradNorm no step is made from gradients of this global norm or more; null, as without it, is off
   * @param loss what the gradients are of, where known: no step is made from one that is not finite
   */
  step(options: {
    learningRate: number;
    maxGradNorm: number | null;
    skipGradNorm?: number | null;
    loss?: number;
  }): AdamWReport {
    const norm = gradNorm(this.#slots.map((slot) => slot.parameter));
    const usable = Number.isFinite(norm) && Number.isFinite(options.loss ?? 0);
    if (!usable || norm >= (options.skipGradNorm ?? Number.POSITIVE_INFINITY)) return { gradNorm: norm, skipped: true };
    const { beta1, beta2, epsilon, weightDecay } = this.#options;
    const t = ++this.#steps;
    const clip = options.maxGradNorm === null ? 1 : Math.min(1, options.maxGradNorm / (norm + 1e-6));
    const numbers = Float64Array.of(
      1 - options.learningRate * weightDecay,
      beta1,
      beta2,
      options.learningRate / (1 - beta1 ** t),
      1 / Math.sqrt(1 - beta2 ** t),
      epsilon,
      clip,
      (t * DITHER) % 1,
    );
    const addon = loadAddon();
    for (const { parameter, panels, pairs, m, v, low, scales } of this.#slots) {
      if (parameter.grad === null) continue;
      const grad = parameter.grad.handle;
      const [lowHandle, scalesHandle] = [low?.handle ?? null, scales?.handle ?? null];
      addon.adamw(numbers, panels, pairs, parameter.value.handle, lowHandle, grad, m.handle, v.handle, scalesHandle);
    }
    return { gradNorm: norm, skipped: false };
  }

  /** Number of steps taken. */
  get steps(): number {
    return this.#steps;
  }

  /** The optimizer's own tensors (not copies) by `parameter.field`: moments and, for bf16, the low bits of the masters. */
  state(): AdamWState<Tensor> {
    const tensors: Record<string, Tensor> = {};
    for (const slot of this.#slots) {
      for (const [field, tensor] of fields(slot)) tensors[`${slot.parameter.name}.${field}`] = tensor;
    }
    return { steps: this.#steps, tensors };
  }

  /**
   * Puts back what {@link state} gave, as raw elements (`Tensor.read`).
   *
   * @throws GrpoError GRPO_OPTIMIZER_STATE (exit code 4) when a tensor is missing or of another size
   */
  load(state: AdamWState<Float32Array | Float64Array | Uint8Array>): void {
    for (const slot of this.#slots) {
      for (const [field, tensor] of fields(slot)) {
        const name = `${slot.parameter.name}.${field}`;
        const values = state.tensors[name];
        if (values?.length !== tensor.size) {
          const found = values === undefined ? "is missing" : `has ${values.length} elements, expected ${tensor.size}`;
          throw new GrpoError("GRPO_OPTIMIZER_STATE", `optimizer state: ${name} ${found}`, {
            exitCode: ExitCode.data,
            fix: "resume with the model, dtype and optimizer settings the checkpoint was written with",
          });
        }
        tensor.write(values);
      }
    }
    this.#steps = state.steps;
  }

  dispose(): void {
    for (const slot of this.#slots) for (const [, tensor] of fields(slot)) tensor.dispose();
  }
}

function newSlot(parameter: Parameter, int8: boolean): Slot {
  const { layout, shape, dtype } = parameter;
  const panels = layout === "panels" ? Math.ceil(shape[0]! / PANEL) : 1;
  const length = layout === "panels" ? PANEL * shape[1]! : parameter.count;
  const moments = int8 ? "u8" : accumulatorType(dtype);
  const slot = {
    parameter,
    panels,
    pairs: layout === "panels" && dtype === "bf16",
    m: Tensor.zeros(moments, [panels * length]),
    v: Tensor.zeros(moments, [panels * length]),
    low: dtype === "bf16" ? Tensor.zeros("u8", [2 * parameter.value.size]) : null,
    scales: int8 ? Tensor.zeros("f32", [panels * Math.ceil(length / BLOCK) * 2]) : null,
  };
  return slot;
}

function fields(slot: Slot): [string, Tensor][] {
  const all: [string, Tensor | null][] = [
    ["exp_avg", slot.m],
    ["exp_avg_sq", slot.v],
    ["low_bits", slot.low],
    ["moment_scales", slot.scales],
  ];
  return all.filter((entry): entry is [string, Tensor] => entry[1] !== null);
}
