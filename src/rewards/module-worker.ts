// Runs in the worker thread of a module reward: loads the user's file, then answers one call at a time.
import { parentPort, workerData } from "node:worker_threads";
import { checkValues } from "./check-values.js";
import type { ModuleAnswer, ModuleCall, ModuleRequest, ModuleStart } from "./module-messages.js";
import type { RewardSample } from "./types.js";
import { describeFailure, importUserModule } from "./user-module.js";

type RewardFunction = (samples: RewardSample[], context: unknown) => unknown;

const { path, seed, lastRead } = workerData as ModuleStart;
const port = parentPort!;
const lastReadIndex = new Int32Array(lastRead);

async function load(): Promise<RewardFunction | null> {
  const exported = await importUserModule(path);
  if (typeof exported.default === "function") return exported.default as RewardFunction;
  port.postMessage({
    kind: "no_function",
    got: "default" in exported ? `a default export of type ${typeof exported.default}` : "no default export",
  } satisfies ModuleAnswer);
  return null;
}

async function answer(reward: RewardFunction, call: ModuleCall): Promise<void> {
  const logged: { name: string; value: number }[] = [];
  const context = {
    ...call.context,
    seed,
    log(name: string, value: number) {
      if (typeof name !== "string" || !/^[\w/.-]+$/.test(name)) {
        throw new TypeError(`context.log: a metric's name is letters, digits and _ / . -, not ${JSON.stringify(name)}`);
      }
      if (!Number.isFinite(value)) throw new TypeError(`context.log: the value of "${name}" is ${value}`);
      logged.push({ name, value });
    },
  };
  const values = checkValues(await reward(rebuildSamples(call), context), call.samples.length);
  if (values instanceof Float64Array) {
    port.postMessage({ kind: "scored", values, logged } satisfies ModuleAnswer, [values.buffer]);
  } else {
    port.postMessage({ kind: "bad_values", problem: values } satisfies ModuleAnswer);
  }
}

/** The samples as a list whose elements, when read, leave their index where the host finds it after a time-out. */
function rebuildSamples(call: ModuleCall): RewardSample[] {
  const samples: RewardSample[] = [];
  lastReadIndex[0] = -1;
  for (let i = 0, start = 0; i < call.samples.length; i++) {
    const end = call.tokenEnds[i]!;
    const sample = { ...call.samples[i]!, tokens: call.tokens.subarray(start, end) };
    start = end;
    Object.defineProperty(samples, i, {
      enumerable: true,
      configurable: true,
      get() {
        lastReadIndex[0] = i;
        return sample;
      },
    });
  }
  return samples;
}

try {
  const reward = await load();
  if (reward !== null) {
    port.on("message", (request: ModuleRequest) => {
      if (request === "close") return port.close();
      answer(reward, request).catch((thrown: unknown) =>
        port.postMessage({ kind: "threw", failure: describeFailure(thrown) } satisfies ModuleAnswer),
      );
    });
    port.postMessage({ kind: "ready" } satisfies ModuleAnswer);
  }
} catch (thrown) {
  port.postMessage({ kind: "load_failed", failure: describeFailure(thrown) } satisfies ModuleAnswer);
}
