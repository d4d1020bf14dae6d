import { type AttentionPlan, BLOCK_KEYS } from "../engine/attention-plan.js";
import { Graph } from "../engine/graph.js";
import { gatherRows } from "../engine/ops/gather-rows.js";
import { sampleTokens } from "../engine/ops/sample.js";
import type { Tensor } from "../engine/tensor.js";
import type { Decoder } from "../model/decoder.js";
import type { KeptProducts } from "../model/kept-products.js";
import { type TextStream, textDecoder } from "../tokenizer/text-decoder.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { Finish } from "../tree/episode.js";
import { pathTokens, type Segment } from "../tree/segment.js";
import { blocksNeeded, KeyBlocks } from "./key-blocks.js";
import { type StreamKey, seedKey, streamWords } from "./stream-key.js";

/** How tokens are drawn. */
export interface SamplingOptions {
  /** 0 is greedy. */
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  /** Texts that end a completion; the text is cut there, the tokens are kept whole. */
  stop: readonly string[];
  maxTokens: number;
}

/** One completion as drawn. */
export interface Drawn {
  tokens: Int32Array;
  logprob: Float32Array;
  entropy: Float32Array;
  finish: Finish;
  /** Decoded without special tokens, cut at a stop string. */
  text: string;
}

interface Request {
  prompt: Int32Array;
  keys: readonly StreamKey[];
  options: SamplingOptions;
  /** Most tokens a completion may have within the context. */
  limit: number;
  blocks: number;
  /** Where {@link KeptProducts} has the last row of the prompt. */
  kept: number;
  results: Drawn[];
  open: number;
  resolve: (drawn: Drawn[]) => void;
  reject: (error: unknown) => void;
}

interface Stream {
  request: Request;
  index: number;
  words: readonly [number, number];
  turn: number;
  blocks: number[];
  /** Tokens of the path that are in the key blocks. */
  length: number;
  /** Where {@link KeptProducts} has the last of them. */
  kept: number;
  tokens: number[];
  logprob: number[];
  entropy: number[];
  decoder: TextStream | null;
}

/** Rows of one prefill pass. */
const PREFILL_ROWS = 4096;
/** Memory for key blocks while there is a choice, in bytes. */
const POOL_BYTES = 2 ** 30;

/**
 * Draws completions of many prompts at once: each prompt is prefilled once, all open completions advance together by one token
 * per pass, and a prompt that waits starts when key blocks become free. What is drawn depends on a completion's own key
 * and path only, never on what runs beside it.
 */
export class SamplingEngine {
  readonly #queue: Request[] = [];
  #streams: Stream[] = [];
  #blocks: KeyBlocks | null = null;
  #reserved = 0;
  #running: Promise<void> | null = null;
  #disposed = false;
  readonly #key: readonly [number, number];
  /** Tokens drawn since the engine was made. */
  drawn = 0;
  /** Where passes leave their matrix products, for a training pass before the weights move. */
  kept: KeptProducts | null = null;

  constructor(
    private readonly decoder: Decoder,
    private readonly tokenizer: Tokenizer,
    seed: number,
    /** Bound on the memory of key blocks, passed only where a single prompt's completions need more. */
    private readonly poolBytes = POOL_BYTES,
  ) {
    this.#key = seedKey(seed);
  }

  /**
   * Draws one completion per key that continues the path of `parent`.
   *
   * @returns completions in the order of `keys`
   */
  sample(parent: Segment, keys: readonly StreamKey[], options: SamplingOptions): Promise<Drawn[]> {
    const prompt = pathTokens(parent);
    const limit = Math.min(options.maxTokens, this.decoder.maxLength - prompt.length);
    if (limit < 1) {
      throw new RangeError(
        `SamplingEngine: a path of ${prompt.length} tokens leaves no room within ${this.decoder.maxLength}`,
      );
    }
    const blocks = blocksNeeded(prompt.length, prompt.length + limit, keys.length);
    return new Promise((resolve, reject) => {
      this.#queue.push({
        prompt,
        keys,
        options,
        limit,
        blocks,
        kept: -1,
        results: [],
        open: keys.length,
        resolve,
        reject,
      });
      // Requests made in the same turn of the event loop are prefilled together.
      this.#running ??= new Promise((ended) => setImmediate(() => ended(this.#run())));
    });
  }

  /** Gives up what is open, at the next token, and frees the key blocks. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.#running;
    this.#freeBlocks();
  }

  #freeBlocks(): void {
    this.#blocks?.dispose();
    this.#blocks = null;
  }

  async #run(): Promise<void> {
    try {
      while (this.#queue.length > 0 || this.#streams.length > 0) {
        if (this.#disposed) throw new Error("SamplingEngine: disposed while completions were open");
        await this.#admit();
        if (this.#streams.length > 0) await this.#advance();
      }
    } catch (error) {
      const failed = new Set([...this.#queue, ...this.#streams.map((s) => s.request)]);
      this.#queue.length = 0;
      this.#streams = [];
      this.#reserved = 0;
      this.#freeBlocks();
      for (const request of failed) request.reject(error);
    } finally {
      this.#running = null;
    }
  }

  /** Prefills waiting prompts as far as key blocks allow. */
  async #admit(): Promise<void> {
    if (this.#queue.length === 0) return;
    if (this.#streams.length === 0) this.#fitPool();
    const pool = this.#blocks!;
    const batch: Request[] = [];
    let rows = 0;
    while (this.#queue.length > 0) {
      const request = this.#queue[0]!;
      if (this.#reserved + request.blocks > pool.capacity) break;
      if (batch.length > 0 && rows + request.prompt.length > PREFILL_ROWS) break;
      this.#queue.shift();
      this.#reserved += request.blocks;
      rows += request.prompt.length;
      batch.push(request);
    }
    if (batch.length > 0) await this.#prefill(batch);
  }

  /** Sizes the pool for what waits, within the memory bound but never below the largest request. */
  #fitPool(): void {
    const { kvHeads, headDim, layers } = this.decoder.config;
    const bytes =
      layers * 2 * kvHeads * BLOCK_KEYS * Math.ceil(headDim / 16) * 16 * (this.decoder.dtype === "bf16" ? 2 : 4);
    const wanted = this.#queue.reduce((sum, request) => sum + request.blocks, 0);
    const largest = this.#queue.reduce((max, request) => Math.max(max, request.blocks), 0);
    const capacity = Math.max(largest, Math.min(wanted, Math.floor(this.poolBytes / bytes)));
    if (this.#blocks !== null && this.#blocks.capacity >= capacity) return;
    this.#blocks?.dispose();
    this.#blocks = new KeyBlocks(this.decoder, capacity);
  }

  async #prefill(batch: readonly Request[]): Promise<void> {
    const pool = this.#blocks!;
    const tables = batch.map(({ prompt }) =>
      Array.from({ length: Math.ceil(prompt.length / BLOCK_KEYS) }, () => pool.take()),
    );
    const g = new Graph({ grad: false });
    try {
      const last: Tensor[] = [];
      // A prompt longer than one pass goes through in several; the bits are the same for any cut.
      const longest = Math.max(...batch.map(({ prompt }) => prompt.length));
      const passes = batch.length > 1 ? 1 : Math.ceil(longest / PREFILL_ROWS);
      for (let pass = 0; pass < passes; pass++) {
        const ranges = batch.map(({ prompt }) => ({
          start: pass * PREFILL_ROWS,
          end: passes === 1 ? prompt.length : Math.min(prompt.length, (pass + 1) * PREFILL_ROWS),
        }));
        const lengths = ranges.map(({ start, end }) => end - start);
        const tokens = new Int32Array(lengths.reduce((a, b) => a + b, 0));
        const plan = planRows(tables, ranges);
        const ends = new Int32Array(batch.length);
        let row = 0;
        for (const [i, { prompt }] of batch.entries()) {
          tokens.set(prompt.subarray(ranges[i]!.start, ranges[i]!.end), row);
          row += lengths[i]!;
          ends[i] = row - 1;
        }
        const hidden = await this.decoder.forward(g, {
          tokens,
          plan,
          blocks: 0,
          stores: pool.stores,
          outputRows: ends,
          products: this.kept?.pass(tokens.length),
        });
        for (const [i, request] of batch.entries()) {
          const { start, end } = ranges[i]!;
          request.kept = this.kept?.add(request.kept, request.prompt.subarray(start, end)) ?? -1;
        }
        if (pass === passes - 1) last.push(hidden);
        else g.free(hidden);
      }
      const streams = batch.flatMap((request, i) => this.#open(request, tables[i]!));
      const rows = Int32Array.from(streams, ({ request }) => batch.indexOf(request));
      const hidden = gatherRows(g, last[0]!, rows);
      this.#draw(g, hidden, streams);
    } finally {
      g.dispose();
    }
  }

  #open(request: Request, table: number[]): Stream[] {
    const pool = this.#blocks!;
    const forks = pool.fork(table, request.prompt.length, request.keys.length);
    pool.release(table);
    return request.keys.map((key, index) => ({
      request,
      index,
      words: streamWords(this.#key, key),
      turn: key.turn,
      blocks: forks[index]!,
      length: request.prompt.length,
      kept: request.kept,
      tokens: [],
      logprob: [],
      entropy: [],
      decoder: request.options.stop.length > 0 ? textDecoder(this.tokenizer) : null,
    }));
  }

  /** One token for every open completion. */
  async #advance(): Promise<void> {
    const pool = this.#blocks!;
    const streams = this.#streams;
    const tokens = new Int32Array(streams.length);
    for (const [i, stream] of streams.entries()) {
      tokens[i] = stream.tokens.at(-1)!;
      if (stream.length % BLOCK_KEYS === 0) stream.blocks.push(pool.take());
      stream.length += 1;
    }
    const plan = planRows(
      streams.map(({ blocks }) => blocks),
      streams.map(({ length }) => ({ start: length - 1, end: length })),
    );
    const g = new Graph({ grad: false });
    try {
      const products = this.kept?.pass(tokens.length);
      const hidden = await this.decoder.forward(g, { tokens, plan, blocks: 0, stores: pool.stores, products });
      for (const [i, stream] of streams.entries())
        stream.kept = this.kept?.add(stream.kept, tokens.subarray(i, i + 1)) ?? -1;
      this.#streams = [];
      this.#draw(g, hidden, streams);
    } finally {
      g.dispose();
    }
  }

  /** Draws from the hidden state of each stream, ends those that are done, and keeps the others open. */
  #draw(g: Graph, hidden: Tensor, streams: readonly Stream[]): void {
    for (let start = 0; start < streams.length; ) {
      // Streams of one set of options are neighbours: a request's streams are, and usually all requests share one.
      const { options } = streams[start]!.request;
      let end = start + 1;
      while (end < streams.length && sameOptions(streams[end]!.request.options, options)) end++;
      const group = streams.slice(start, end);
      const rows =
        group.length === streams.length
          ? hidden
          : gatherRows(
              g,
              hidden,
              Int32Array.from(group, (_, i) => start + i),
            );
      const counters = new Uint32Array(group.length * 4);
      for (const [i, { words, turn, tokens }] of group.entries())
        counters.set([words[0], words[1], turn, tokens.length], 4 * i);
      const { ids, logprob, entropy } = sampleTokens(rows, this.decoder.head, {
        temperature: options.temperature,
        topK: options.topK,
        topP: options.topP,
        minP: options.minP,
        vocabSize: this.tokenizer.size,
        key: this.#key,
        counters,
      });
      for (const [i, stream] of group.entries()) {
        stream.tokens.push(ids[i]!);
        stream.logprob.push(logprob[i]!);
        stream.entropy.push(entropy[i]!);
        const finish = this.#finished(stream, ids[i]!);
        if (finish === null) this.#streams.push(stream);
        else this.#close(stream, finish);
      }
      this.drawn += group.length;
      start = end;
    }
  }

  #finished(stream: Stream, id: number): "stop" | "length" | null {
    const { request, tokens, decoder } = stream;
    if (this.tokenizer.endTokenIds.includes(id)) return "stop";
    const text = decoder?.push(id);
    if (text !== undefined && firstStop(text, request.options.stop) >= 0) return "stop";
    return tokens.length >= request.limit ? "length" : null;
  }

  #close(stream: Stream, finish: "stop" | "length"): void {
    const { request, tokens } = stream;
    this.#blocks!.release(stream.blocks);
    const ids = Int32Array.from(tokens);
    const text = this.tokenizer.decode(ids);
    const cut = firstStop(text, request.options.stop);
    request.results[stream.index] = {
      tokens: ids,
      logprob: Float32Array.from(stream.logprob),
      entropy: Float32Array.from(stream.entropy),
      finish,
      text: cut < 0 ? text : text.slice(0, cut),
    };
    request.open -= 1;
    if (request.open === 0) {
      this.#reserved -= request.blocks;
      request.resolve(request.results);
    }
  }
}

/** Rows `start`...`end` of several paths, each with the blocks that hold its keys. */
function planRows(
  tables: readonly (readonly number[])[],
  ranges: readonly { start: number; end: number }[],
): AttentionPlan {
  const rows = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
  const position = new Int32Array(rows);
  const table = new Int32Array(rows);
  const writeBlock = new Int32Array(rows);
  const tableStart = new Int32Array(tables.length + 1);
  for (const [t, blocks] of tables.entries()) tableStart[t + 1] = tableStart[t]! + blocks.length;
  const all = new Int32Array(tableStart[tables.length]!);
  let row = 0;
  for (const [t, blocks] of tables.entries()) {
    all.set(blocks, tableStart[t]!);
    for (let p = ranges[t]!.start; p < ranges[t]!.end; p++, row++) {
      position[row] = p;
      table[row] = t;
      writeBlock[row] = blocks[Math.floor(p / BLOCK_KEYS)]!;
    }
  }
  return { rows, position, table, tableStart, blocks: all, writeBlock, copies: new Int32Array(0) };
}

function sameOptions(a: SamplingOptions, b: SamplingOptions): boolean {
  return a === b || (a.temperature === b.temperature && a.topK === b.topK && a.topP === b.topP && a.minP === b.minP);
}

/** Where the earliest stop string begins, or -1. */
function firstStop(text: string, stops: readonly string[]): number {
  let first = -1;
  for (const stop of stops) {
    const at = text.indexOf(stop);
    if (at >= 0 && (first < 0 || at < first)) first = at;
  }
  return first;
}
