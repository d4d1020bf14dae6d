import { existsSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { ExitCode, GrpoError } from "../../errors.js";
import type { Environment } from "../environment.js";
import type { EnvironmentAnswer, EnvironmentRequest } from "./module-messages.js";

/** Seconds a module may take to load, which on a busy machine has nothing to do with the time of a call. */
const LOAD_TIMEOUT_S = 30;

/** What a request is without its number. */
type Unnumbered<Request> = Request extends { id: number } ? Omit<Request, "id"> : never;

interface Waiting {
  resolve: (answer: EnvironmentAnswer) => void;
  reject: (error: GrpoError) => void;
  timer: NodeJS.Timeout;
}

/**
 * An environment that a user wrote: a file whose default export begins a run, `(record, { seed }) => ({ anchor?, step(action,
 * final) })`, and whose `stop`, if there is one, lists texts that end an action. It runs in a worker thread; a call that does
 * not answer in time ends the run of the program.
 *
 * @throws GrpoError GRPO_ENVIRONMENT_FILE (exit 4) for a missing file; GRPO_ENVIRONMENT (exit 1) for one that cannot be loaded
 *   and, when called, for one that throws, answers wrongly or not at all
 */
export async function moduleEnvironment(path: string, timeoutS: number, seed: number): Promise<Environment> {
  if (!existsSync(path)) {
    throw new GrpoError("GRPO_ENVIRONMENT_FILE", `rollout.environment: there is no file ${path}`, {
      exitCode: ExitCode.data,
      fix: "a relative `module` starts from the folder of the config file",
    });
  }
  const thread = new EnvironmentThread(path, seed);
  const ready = await thread.loaded();
  let runs = 0;
  return {
    stop: ready,
    finalTurns: 0,
    cut: (text) => text,
    start: ({ record }, count) =>
      Promise.all(
        Array.from({ length: count }, async () => {
          const run = runs++;
          const started = await thread.ask({ kind: "start", run, record }, timeoutS);
          const { anchor } = started as { anchor?: string };
          return {
            ...(anchor !== undefined && { anchor }),
            async step(action: string, final: boolean) {
              const answer = await thread.ask({ kind: "step", run, action, final }, timeoutS);
              return (answer as Extract<EnvironmentAnswer, { kind: "stepped" }>).result;
            },
          };
        }),
      ),
    close: () => thread.close(),
  };
}

/** The worker of one module, and the requests it has not answered. */
class EnvironmentThread {
  readonly #worker: Worker;
  readonly #ended: Promise<unknown>;
  readonly #waiting = new Map<number, Waiting>();
  #requests = 0;

  constructor(
    private readonly path: string,
    seed: number,
  ) {
    this.#worker = new Worker(new URL("./module-worker.js", import.meta.url), { workerData: { path, seed } });
    this.#ended = new Promise((resolve) => this.#worker.once("exit", resolve));
    this.#worker.on("message", (answer: EnvironmentAnswer) => this.#settle(answer));
    this.#worker.on("error", (error) => this.#fail(`${error.name}: ${error.message}`, "catch the error in the module"));
    this.#worker.on("exit", () => this.#fail("its thread ended", "let the module return, without process.exit"));
    // The timer of a request keeps the process alive; an idle worker need not.
    this.#worker.unref();
  }

  /** The module's stop texts, once it is loaded. */
  async loaded(): Promise<string[]> {
    const answer = await this.#wait(this.#requests++, LOAD_TIMEOUT_S);
    if (answer.kind === "ready") return answer.stop;
    void this.#worker.terminate();
    const { failure } = answer as Extract<EnvironmentAnswer, { kind: "load_failed" }>;
    throw this.#error(`cannot be loaded: ${failure.message}`, "mend the module");
  }

  async ask(request: Unnumbered<EnvironmentRequest>, timeoutS: number): Promise<EnvironmentAnswer> {
    const id = this.#requests++;
    const answered = this.#wait(id, timeoutS);
    this.#worker.postMessage({ ...request, id });
    const answer = await answered;
    if (answer.kind !== "threw") return answer;
    const what = request.kind === "step" ? `step(${JSON.stringify(request.action)})` : "the start of a run";
    throw this.#error(`${what}: ${answer.failure.message}`, "mend the module");
  }

  /** Lets the worker end by itself, so that what it printed arrives. */
  async close(): Promise<void> {
    this.#worker.postMessage({ kind: "close" } satisfies EnvironmentRequest);
    const timer = setTimeout(() => void this.#worker.terminate(), 1000);
    await this.#ended;
    clearTimeout(timer);
  }

  #wait(id: number, timeoutS: number): Promise<EnvironmentAnswer> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#fail(`no answer within ${timeoutS} s`, "end the loop in the module, or raise `timeout_s`");
        void this.#worker.terminate();
      }, timeoutS * 1000);
      this.#waiting.set(id, { resolve, reject, timer });
    });
  }

  #settle(answer: EnvironmentAnswer): void {
    const id = "id" in answer ? answer.id : 0;
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    clearTimeout(waiting?.timer);
    waiting?.resolve(answer);
  }

  #fail(what: string, fix: string): void {
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(this.#error(what, fix));
    }
    this.#waiting.clear();
  }

  #error(what: string, fix: string): GrpoError {
    return new GrpoError("GRPO_ENVIRONMENT", `environment ${this.path}: ${what}`, { exitCode: ExitCode.failure, fix });
  }
}
