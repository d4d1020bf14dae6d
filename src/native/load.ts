import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { ExitCode, GrpoError } from "../errors.js";
import type { CeilingAddon } from "./ceiling.js";
import type { LinearAddon } from "./linear.js";
import type { LinearLogprobAddon } from "./linear-logprob.js";
import type { OptimizerAddon } from "./optimizer.js";
import type { PointwiseAddon } from "./pointwise.js";
import type { SegmentRatioAddon } from "./segment-ratio.js";
import type { TensorAddon } from "./tensor.js";
import type { TreeAttentionAddon } from "./tree-attention.js";

/** Everything the native addon exports, one interface per file of native/cpp/binding. */
export interface Addon
  extends TensorAddon,
    CeilingAddon,
    LinearAddon,
    LinearLogprobAddon,
    OptimizerAddon,
    PointwiseAddon,
    SegmentRatioAddon,
    TreeAttentionAddon {}

let loaded: Addon | undefined;

/**
 * The native addon, loaded on first use.
 *
 * @throws GrpoError GRPO_ADDON_MISSING (exit code 5) when it was not built or does not load; GRPO_USAGE (exit code 2) when
 *   GRPO_ISA or GRPO_THREADS says what cannot be
 */
export function loadAddon(): Addon {
  if (loaded === undefined) {
    const path = fileURLToPath(new URL("../../../build/Release/grpo_native.node", import.meta.url));
    // Empty counts as unset, for both.
    const threads = process.env.GRPO_THREADS || undefined;
    if (threads !== undefined && !/^\d+$/.test(threads)) {
      throw new GrpoError("GRPO_USAGE", `GRPO_THREADS is "${threads}", expected a whole number`, {
        exitCode: ExitCode.usage,
        fix: "unset it to use every core",
      });
    }
    try {
      // A copy, because the properties of an exports object are looked up by hashing at every call.
      loaded = { ...(createRequire(import.meta.url)(path) as Addon) };
    } catch (cause) {
      const { message } = cause as Error;
      if (message.startsWith("GRPO_ISA")) {
        throw new GrpoError("GRPO_USAGE", message, {
          exitCode: ExitCode.usage,
          fix: "unset it to use the best set of this machine",
          cause,
        });
      }
      throw new GrpoError("GRPO_ADDON_MISSING", `cannot load the native addon ${path}: ${message}`, {
        exitCode: ExitCode.native,
        fix: "run `npm run build:native` (needs cmake >= 3.22 and a C++17 compiler)",
        cause,
      });
    }
    if (threads !== undefined) loaded.setThreads(Number(threads));
  }
  return loaded;
}
