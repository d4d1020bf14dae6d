// Runs in the worker thread of a user's environment: loads the file, then answers requests as they come.
import { parentPort, workerData } from "node:worker_threads";
import { describeFailure, importUserModule } from "../../rewards/user-module.js";
import type { ActionResult, EnvironmentRun } from "../environment.js";
import type { EnvironmentAnswer, EnvironmentRequest } from "./module-messages.js";

type StartFunction = (record: Record<string, unknown>, context: { seed: number }) => EnvironmentRun;

const { path, seed } = workerData as { path: string; seed: number };
const port = parentPort!;
const send = (answer: EnvironmentAnswer) => port.postMessage(answer);
const runs = new Map<number, EnvironmentRun>();

async function answer(start: StartFunction, request: Exclude<EnvironmentRequest, { kind: "close" }>): Promise<void> {
  const { id, run } = request;
  if (request.kind === "start") {
    const started = await start(request.record, { seed });
    if (typeof started?.step !== "function") throw new TypeError("the default export returned no object with `step`");
    runs.set(run, started);
    send({ kind: "started", id, anchor: started.anchor });
    return;
  }
  const result = checkResult(await runs.get(run)!.step(request.action, request.final));
  if (result.done || request.final) runs.delete(run);
  send({ kind: "stepped", id, result });
}

/** The result of a step with nothing in it but what the interface knows. */
function checkResult(result: Partial<ActionResult> | null): ActionResult {
  const { observation = "", done = false, reward, valid, anchor, meta } = result ?? {};
  if (typeof observation !== "string") throw new TypeError(`step: observation is a ${typeof observation}, not a text`);
  if (reward !== undefined && !Number.isFinite(reward)) throw new TypeError(`step: reward is ${reward}`);
  return {
    observation,
    done: done === true,
    ...(reward !== undefined && { reward }),
    ...(valid !== undefined && { valid: valid === true }),
    ...(anchor !== undefined && { anchor: String(anchor) }),
    ...(meta !== undefined && { meta }),
  };
}

try {
  const exported = await importUserModule(path);
  if (typeof exported.default !== "function") throw new TypeError("the file has no default export that is a function");
  const stop = exported.stop ?? [];
  if (!Array.isArray(stop)) throw new TypeError("the export `stop` is no list of texts");
  const start = exported.default as StartFunction;
  port.on("message", (request: EnvironmentRequest) => {
    if (request.kind === "close") return port.close();
    answer(start, request).catch((thrown: unknown) =>
      send({ kind: "threw", id: request.id, failure: describeFailure(thrown) }),
    );
  });
  send({ kind: "ready", stop: stop.map(String) });
} catch (thrown) {
  send({ kind: "load_failed", failure: describeFailure(thrown) });
}
