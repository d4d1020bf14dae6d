import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { RewardSpecOf } from "../config/schema/rewards.js";
import { checkValues } from "./check-values.js";
import type { UserCodeOptions } from "./module.js";
import { describeSample, rewardError, valueError } from "./reward-error.js";
import type { CallResult, CallScorer, RewardContext, RewardSample } from "./types.js";

/** Kept of what the program wrote to its standard error, for messages. */
const stderrTail = 2000;

/**
 * A reward in any language: a program that is started once and reads one JSON line per call,
 * `{"samples": [{"prompt", "completion", "messages", "tokens", "finish", "record", "trace", "group", "sample"}, ...],
 * "context": {"step", "evaluation", "seed"}}`, and answers with one line: `[1, 0, null]`, or
 * `{"rewards": [1, 0, null], "metrics": {"name": 0.5}}`. What it writes to standard error is shown.
 */
export class CommandReward implements CallScorer {
  private process: ChildProcess | null = null;
  private errors = "";
  private onLine: (line: string) => void = () => undefined;
  private onEnd: (what: string) => void = () => undefined;
  private queue: Promise<unknown> = Promise.resolve();
  private closed = false;

  constructor(
    private readonly spec: RewardSpecOf<"command">,
    private readonly options: UserCodeOptions,
  ) {}

  async score(samples: readonly RewardSample[], context: RewardContext): Promise<CallResult> {
    const result = this.queue.then(() => this.call(samples, context));
    this.queue = result.catch(() => undefined);
    return result;
  }

  /**
   * Waits for the call in progress and gives up those that wait; closes the program's standard input and gives it a second
   * to end by itself.
   */
  async close(): Promise<void> {
    this.closed = true;
    await this.queue;
    const child = this.process;
    if (child !== null && child.exitCode === null) {
      const ended = new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1000);
        child.once("close", () => {
          clearTimeout(timer);
          resolve();
        });
      });
      child.stdin!.end();
      await ended;
    }
    this.end();
  }

  private async call(samples: readonly RewardSample[], context: RewardContext): Promise<CallResult> {
    const { name } = this.spec;
    if (this.closed) throw new Error(`reward "${name}" is closed`);
    const line = await this.exchange(request(samples, context, this.options.seed), samples);
    let answer: unknown;
    try {
      answer = JSON.parse(line);
    } catch (cause) {
      throw rewardError(
        name,
        `answered a line that is not JSON: ${JSON.stringify(line.slice(0, 80))}, in the call that starts with ${describeSample(samples[0]!)}`,
        "write one JSON line per call and nothing else to standard output; NaN and Infinity are not JSON",
        cause,
      );
    }
    const fields = Array.isArray(answer)
      ? { rewards: answer }
      : (answer as { rewards?: unknown; metrics?: unknown } | null);
    const values = checkValues(fields?.rewards, samples.length);
    if (!(values instanceof Float64Array)) throw valueError(name, values, samples);
    return { values, logged: this.readMetrics(fields) };
  }

  private readMetrics(fields: { metrics?: unknown } | null): CallResult["logged"] {
    return Object.entries(fields?.metrics ?? {}).map(([name, value]) => {
      if (typeof value === "number") return { name, value };
      throw rewardError(this.spec.name, `its metric "${name}" is not a number`, "log numbers, or leave the metric out");
    });
  }

  /** Writes one line and waits for one; the end of the program or the time-out instead is an error. */
  private exchange(line: string, samples: readonly RewardSample[]): Promise<string> {
    const child = this.process ?? this.start();
    const { name, timeout_s: timeout } = this.spec;
    const where = `in the call that starts with ${describeSample(samples[0]!)}`;
    return new Promise((resolve, reject) => {
      const fail = (what: string, fix: string) => {
        clearTimeout(timer);
        this.end();
        const said = this.errors.trim() === "" ? "" : `; its last words: ${JSON.stringify(this.errors.trim())}`;
        reject(rewardError(name, `${what}, ${where}${said}`, fix));
      };
      const timer = setTimeout(
        () => fail(`no answer within ${timeout} s`, "flush standard output after each line, or raise `timeout_s`"),
        timeout * 1000,
      );
      this.onLine = (answer) => {
        clearTimeout(timer);
        resolve(answer);
      };
      this.onEnd = (what) => fail(what, "run the command by hand with one request line to see why");
      child.stdin!.write(`${line}\n`);
    });
  }

  private start(): ChildProcess {
    const { command } = this.spec;
    // A process group of its own, so that the time-out also ends what the command started.
    const options = { cwd: this.options.baseDir, detached: process.platform !== "win32" } as const;
    const child =
      typeof command === "string"
        ? spawn(command, { ...options, shell: true })
        : spawn(command[0]!, command.slice(1), options);
    this.process = child;
    this.errors = "";
    const current = (act: () => void) => {
      if (this.process === child) act();
    };
    createInterface({ input: child.stdout! }).on("line", (line) => current(() => this.onLine(line)));
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.errors = (this.errors + text).slice(-stderrTail);
      this.options.print(text);
    });
    // A write to a program that has ended; its end is reported by itself.
    child.stdin!.on("error", () => undefined);
    child.on("error", (cause) => current(() => this.onEnd(`cannot start the command: ${cause.message}`)));
    child.on("close", (code, signal) =>
      current(() =>
        this.onEnd(signal === null ? `the command ended with code ${code}` : `the command was ended by ${signal}`),
      ),
    );
    for (const handle of [child, child.stdin, child.stdout, child.stderr])
      (handle as unknown as { unref(): void }).unref();
    return child;
  }

  private end(): void {
    const child = this.process;
    this.process = null;
    this.onLine = () => undefined;
    this.onEnd = () => undefined;
    if (child?.pid === undefined) return;
    try {
      process.kill(process.platform === "win32" ? child.pid : -child.pid, "SIGKILL");
    } catch {
      // It has ended already.
    }
  }
}

function request(samples: readonly RewardSample[], context: RewardContext, seed: number): string {
  const plain = samples.map((sample) => ({ ...sample, tokens: Array.from(sample.tokens) }));
  return JSON.stringify({ samples: plain, context: { ...context, seed } }, (_, value) =>
    typeof value === "bigint" ? Number(value) : value,
  );
}
