import { Session } from "node:inspector";

interface Profile {
  nodes: { id: number; callFrame: { functionName: string; url: string }; children?: number[] }[];
  samples: number[];
  timeDeltas: number[];
  startTime: number;
}

/** Where the seconds of the main thread go: by operation, each in the phase it was called for. */
export class Profiler {
  readonly #session = new Session();
  readonly #seconds = new Map<string, number>();
  /** Microseconds at which phases began. */
  readonly #marks: { at: number; phase: string }[] = [];

  async start(): Promise<void> {
    this.#session.connect();
    await this.#post("Profiler.enable");
    await this.#post("Profiler.setSamplingInterval", { interval: 500 });
    await this.#post("Profiler.start");
  }

  /** What follows is booked under `phase`, or as `backward` inside a backward pass. */
  mark(phase: string): void {
    this.#marks.push({ at: now(), phase });
  }

  /** Ends the profile; seconds by `phase: operation`, largest first, from the first mark on. */
  async stop(): Promise<[string, number][]> {
    this.mark("after");
    const { profile } = (await this.#post("Profiler.stop")) as { profile: Profile };
    this.#session.disconnect();
    this.#book(profile);
    return [...this.#seconds].toSorted((a, b) => b[1] - a[1]);
  }

  #post(method: string, options?: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#session.post(method, options, (error, result) => (error ? reject(error) : resolve(result)));
    });
  }

  #book({ nodes, samples, timeDeltas, startTime }: Profile): void {
    const frames = new Map(nodes.map((node) => [node.id, node.callFrame]));
    const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
    let time = startTime;
    let mark = -1;
    for (const [i, id] of samples.entries()) {
      time += timeDeltas[i]!;
      while (this.#marks[mark + 1] !== undefined && this.#marks[mark + 1]!.at <= time) mark++;
      const phase = this.#marks[mark]?.phase;
      if (phase === undefined || phase === "after") continue;
      const stack: { functionName: string; url: string }[] = [];
      for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) stack.push(frames.get(at)!);
      const name = nameOf(phase, stack);
      this.#seconds.set(name, (this.#seconds.get(name) ?? 0) + (timeDeltas[i + 1] ?? 0) / 1e6);
    }
  }
}

/** The profiler's clock. */
function now(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/** The innermost operation of the engine on the stack, or what JavaScript was doing. */
function nameOf(phase: string, stack: readonly { functionName: string; url: string }[]): string {
  const backward = stack.some(
    ({ functionName, url }) => functionName === "backward" && url.endsWith("engine/graph.js"),
  );
  const where = backward ? "backward" : phase;
  for (const { functionName, url } of stack) {
    const operation = /engine\/ops\/([a-z-]+)\.js$/.exec(url)?.[1];
    if (operation !== undefined) return `${where}: ${operation}`;
    if (/engine\/(adamw|grad-norm)\.js$/.test(url)) return "update: adamw and gradient norm";
    if (/engine\/tensor\.js$/.test(url)) return `${where}: tensors (allocate, zero)`;
    if (functionName === "(garbage collector)" || functionName === "(idle)") return functionName;
  }
  return `${where}: other JavaScript`;
}
