import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** The parts of the `node-llama-cpp` package used here. */
interface Package {
  getLlama(options: object): Promise<Llama>;
}
interface Llama {
  systemInfo: string;
  loadModel(options: object): Promise<Model>;
}
interface Model {
  createContext(options: object): Promise<Context>;
}
interface Context {
  getSequence(): Sequence;
  readonly currentThreads: number;
}
interface Sequence {
  readonly nextTokenIndex: number;
  evaluate(tokens: number[], options: object): AsyncGenerator<number, void>;
  eraseContextTokenRanges(ranges: { start: number; end: number }[]): Promise<void>;
}

/** llama.cpp on the CPU, through the `node-llama-cpp` package as installed in some folder, on one GGUF file. */
export class LlamaPeer {
  private constructor(
    private readonly llama: Llama,
    private readonly model: Model,
    private readonly threads: number,
  ) {}

  /**
   * @param folder where `npm install node-llama-cpp` was run
   * @throws Error when the package or its prebuilt binary is not there
   */
  static async load(folder: string, file: string, threads: number): Promise<LlamaPeer> {
    const entry = pathToFileURL(join(folder, "node_modules/node-llama-cpp/dist/index.js"));
    const { getLlama } = (await import(entry.href)) as Package;
    const llama = await getLlama({ gpu: false, build: "never", maxThreads: threads, logLevel: "error" });
    return new LlamaPeer(llama, await llama.loadModel({ modelPath: file, gpuLayers: 0 }), threads);
  }

  /** What the library says of the instructions it was built for and uses. */
  get systemInfo(): string {
    return this.llama.systemInfo;
  }

  /** `count` sequences of one context that all hold `prompt`, evaluated in one batch per token. */
  async decoder(prompt: Int32Array, count: number, completion: number): Promise<PeerDecoder> {
    const context = await this.model.createContext({
      sequences: count,
      contextSize: prompt.length + completion,
      threads: { ideal: this.threads, min: this.threads },
      ignoreMemorySafetyChecks: true,
    });
    const sequences = Array.from({ length: count }, () => context.getSequence());
    return new PeerDecoder(sequences, [...prompt], completion);
  }
}

/** Sequences that start from one prompt, again and again. */
export class PeerDecoder {
  #runs = 0;

  constructor(
    private readonly sequences: readonly Sequence[],
    private readonly prompt: readonly number[],
    private readonly completion: number,
  ) {}

  /**
   * Draws one completion per sequence.
   *
   * @param temperature 0 is greedy; nothing is cut from the distribution
   * @returns the tokens, and the seconds from the first token of all to the last: the decode steps alone
   */
  async run(temperature: number): Promise<{ tokens: number[][]; seconds: number }> {
    this.#runs += 1;
    const runs = await Promise.all(
      this.sequences.map(async (sequence, i) => {
        // What a run before this one left of the prompt is kept; its last token is evaluated again for its logits.
        const kept = Math.min(sequence.nextTokenIndex, this.prompt.length - 1);
        await sequence.eraseContextTokenRanges([{ start: kept, end: sequence.nextTokenIndex }]);
        const seed = 1000 * this.#runs + i;
        return sequence.evaluate(this.prompt.slice(kept), { temperature, topK: 0, topP: 1, seed, yieldEogToken: true });
      }),
    );
    const tokens: number[][] = runs.map(() => []);
    const advance = async () => {
      const drawn = await Promise.all(runs.map((run) => run.next()));
      for (const [i, { value }] of drawn.entries()) tokens[i]!.push(value as number);
    };
    await advance();
    const started = performance.now();
    for (let n = 1; n < this.completion; n++) await advance();
    const seconds = (performance.now() - started) / 1000;
    for (const run of runs) await run.return();
    return { tokens, seconds };
  }
}
