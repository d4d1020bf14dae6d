import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import type { RewardSpecOf } from "../config/schema/rewards.js";
import { ExitCode, GrpoError } from "../errors.js";
import type { ModuleAnswer, ModuleCall, ModuleRequest, ModuleStart } from "./module-messages.js";
import { describeSample, rewardError, valueError } from "./reward-error.js";
import type { CallResult, CallScorer, RewardContext, RewardSample } from "./types.js";
import type { ModuleFailure } from "./user-module.js";

/** What user code is started with. */
export interface UserCodeOptions {
  /** Folder that relative paths start from. */
  baseDir: string;
  seed: number;
  /** Receives what the code prints. */
  print: (text: string) => void;
  /** Seconds a module may take to load, which on a busy machine has nothing to do with the time of a call. */
  loadTimeoutS: number;
}

/**
 * A reward written by the user in JavaScript or TypeScript, in a worker thread of its own. Calls are answered one at a
 * time, so that the time-out of one is not spent by another.
 */
export class ModuleReward implements CallScorer {
  private readonly path: string;
  private readonly lastRead = new SharedArrayBuffer(4);
  private worker: Worker | null = null;
  private queue: Promise<unknown> = Promise.resolve();
  private closed = false;

  private constructor(
    private readonly spec: RewardSpecOf<"module">,
    private readonly options: UserCodeOptions,
  ) {
    this.path = resolve(options.baseDir, spec.module);
  }

  /**
   * Starts the worker and loads the module in it.
   *
   * @throws GrpoError GRPO_REWARD_FILE (exit 4) for a missing file; GRPO_REWARD (exit 1) for one that cannot be loaded
   */
  static async load(spec: RewardSpecOf<"module">, options: UserCodeOptions): Promise<ModuleReward> {
    const reward = new ModuleReward(spec, options);
    if (!existsSync(reward.path)) {
      throw new GrpoError("GRPO_REWARD_FILE", `reward "${spec.name}": there is no file ${reward.path}`, {
        exitCode: ExitCode.data,
        fix: "a relative `module` starts from the folder of the config file",
      });
    }
    await reward.start();
    return reward;
  }

  async score(samples: readonly RewardSample[], context: RewardContext): Promise<CallResult> {
    const result = this.queue.then(() => this.call(samples, context));
    this.queue = result.catch(() => undefined);
    return result;
  }

  /**
   * Waits for the call in progress and gives up those that wait; lets the worker end by itself, so that what it printed
   * arrives, and ends it after a second.
   */
  async close(): Promise<void> {
    this.closed = true;
    await this.queue;
    const worker = this.worker;
    if (worker === null) return;
    const timer = setTimeout(() => void worker.terminate(), 1000);
    const ended = new Promise((resolveEnd) => worker.once("exit", resolveEnd));
    worker.postMessage("close" satisfies ModuleRequest);
    await ended;
    clearTimeout(timer);
    this.worker = null;
  }

  private async start(): Promise<Worker> {
    const start: ModuleStart = { path: this.path, seed: this.options.seed, lastRead: this.lastRead };
    const worker = new Worker(new URL("./module-worker.js", import.meta.url), {
      workerData: start,
      stdout: true,
      stderr: true,
    });
    worker.stdout.setEncoding("utf8").on("data", this.options.print);
    worker.stderr.setEncoding("utf8").on("data", this.options.print);
    // The timer of the call in progress keeps the process alive; an idle worker need not.
    worker.unref();
    this.worker = worker;
    const answer = await this.nextAnswer(worker, this.options.loadTimeoutS, () => "while it was loaded");
    const { name } = this.spec;
    if (answer.kind === "ready") return worker;
    this.end();
    if (answer.kind === "no_function") {
      throw rewardError(
        name,
        `${this.spec.module} has ${answer.got}`,
        "write `export default function (samples, context) { return samples.map(...) }`",
      );
    }
    const { failure } = answer as { failure: ModuleFailure };
    const located = this.locate(/^SyntaxError/.test(failure.message) ? this.locateSyntaxError(failure) : failure);
    throw rewardError(name, `cannot load ${this.spec.module}: ${located}`, "mend the module", failure);
  }

  private async call(samples: readonly RewardSample[], context: RewardContext): Promise<CallResult> {
    if (this.closed) throw new Error(`reward "${this.spec.name}" is closed`);
    const worker = this.worker ?? (await this.start());
    const { call, transfer } = packCall(samples, context);
    const where = () => this.whereItWas(samples);
    const answered = this.nextAnswer(worker, this.spec.timeout_s, where);
    worker.postMessage(call, transfer);
    const answer = await answered;
    switch (answer.kind) {
      case "scored":
        return answer;
      case "bad_values":
        throw valueError(this.spec.name, answer.problem, samples);
      case "threw":
        throw rewardError(
          this.spec.name,
          `${this.locate(answer.failure)}; ${where()}`,
          "mend the module, or let it return null for samples that it cannot score",
          answer.failure,
        );
      default:
        throw new Error(`unexpected answer of a reward's worker: ${answer.kind}`);
    }
  }

  /** The next message of the worker; its end or the time-out instead is an error, and takes the worker down. */
  private nextAnswer(worker: Worker, timeout: number, where: () => string): Promise<ModuleAnswer> {
    const { name } = this.spec;
    return new Promise((resolveAnswer, reject) => {
      const settle = (act: () => void) => {
        clearTimeout(timer);
        worker.off("message", onMessage).off("error", onError).off("exit", onExit).off("messageerror", onError);
        act();
      };
      const fail = (what: string, fix: string, cause?: unknown) =>
        settle(() => {
          this.end();
          reject(rewardError(name, what, fix, cause));
        });
      const onMessage = (answer: ModuleAnswer) => settle(() => resolveAnswer(answer));
      const onError = (cause: Error) =>
        fail(
          `${this.locate({ message: `${cause.name}: ${cause.message}`, ...(cause.stack && { stack: cause.stack }) })}, outside of a call; ${where()}`,
          "catch the error in the module",
          cause,
        );
      const onExit = (code: number) =>
        fail(`its thread ended with code ${code}; ${where()}`, "let the module return, without process.exit");
      const timer = setTimeout(
        () => fail(`no answer within ${timeout} s; ${where()}`, "end the loop in the module, or raise `timeout_s`"),
        timeout * 1000,
      );
      worker.on("message", onMessage).on("error", onError).on("exit", onExit).on("messageerror", onError);
    });
  }

  private whereItWas(samples: readonly RewardSample[]): string {
    const index = new Int32Array(this.lastRead)[0]!;
    const sample = samples[index];
    if (sample !== undefined) return `the sample it read last is ${describeSample(sample)}`;
    return `it had read no sample yet, the first being ${describeSample(samples[0]!)}`;
  }

  /** The message of an exception with the place in the user's file, where the stack tells one. */
  private locate(failure: ModuleFailure): string {
    const url = pathToFileURL(this.path).href;
    const place = failure.stack
      ?.split("\n")
      .map((line) => line.slice(Math.max(0, line.indexOf(url))))
      .find((line) => line.startsWith(`${url}:`))
      ?.slice(url.length)
      .match(/^(?::\d+)+/)?.[0];
    return place === undefined ? failure.message : `${failure.message} (${this.spec.module}${place})`;
  }

  /** V8 keeps the line of a syntax error out of the stack of an imported file; `node --check` prints it first. */
  private locateSyntaxError(failure: ModuleFailure): ModuleFailure {
    const url = pathToFileURL(this.path).href;
    if (failure.stack?.includes(url)) return failure;
    const check = spawnSync(process.execPath, ["--check", this.path], { encoding: "utf8", timeout: 5000 });
    const line = check.stderr.split("\n", 1)[0]!.match(/:(\d+)$/)?.[1];
    return line === undefined ? failure : { message: failure.message, stack: `${url}:${line}` };
  }

  private end(): void {
    void this.worker?.terminate();
    this.worker = null;
  }
}

function packCall(
  samples: readonly RewardSample[],
  context: RewardContext,
): { call: ModuleCall; transfer: ArrayBuffer[] } {
  const tokenEnds = new Int32Array(samples.length);
  let length = 0;
  samples.forEach((sample, i) => {
    length += sample.tokens.length;
    tokenEnds[i] = length;
  });
  const tokens = new Int32Array(length);
  const rest = samples.map(({ tokens: own, ...sample }, i) => {
    tokens.set(own, tokenEnds[i]! - own.length);
    return sample;
  });
  return { call: { samples: rest, tokens, tokenEnds, context }, transfer: [tokens.buffer, tokenEnds.buffer] };
}
