import type { ShapeConfig } from "../../config/schema/shape.js";
import { bonusGate, ellipticalBonus, normalizeBonus, shapedReward } from "../elliptical.js";
import { emptyMemory, type FeatureMemory, loadMemories, persistentBonus, saveMemories } from "../feature-memory.js";
import { trainedGroups } from "../rows.js";
import { projectSparse, type SparseEntry, sparseProjection } from "../sparse-projection.js";
import { standardDeviation } from "../statistics.js";
import { addMax, addMean, addMin } from "../tally.js";
import type { MetricLog, RandomWords, RewardShaper, Row, StatefulComponent } from "../types.js";

type EllipticalConfig = Extract<ShapeConfig[number], { kind: "elliptical" }>;

/**
 * RepExp (arXiv 2510.11686): R_i = alpha r_i + beta b_i, b_i the novelty of the response among its group, measured on the mean
 * hidden state of a frozen model after a random projection.
 */
export class EllipticalShaper implements RewardShaper, StatefulComponent {
  readonly needs;
  readonly stateName = "elliptical";
  readonly #config: EllipticalConfig;
  #projection: SparseEntry[] | null = null;
  #memories = new Map<string, FeatureMemory>();

  constructor(config: EllipticalConfig) {
    this.needs = { hidden: config.model };
    this.#config = config;
  }

  shape(rows: Row[], log?: MetricLog, random?: RandomWords): void {
    if (random === undefined) throw new Error("a random projection needs random words");
    const { dim, reproject } = this.#config;
    const width = rows.find(({ hidden }) => hidden !== undefined)?.hidden?.length ?? 0;
    const projection = this.#projection ?? sparseProjection(width, dim, random);
    if (!reproject) this.#projection = projection;
    for (const members of trainedGroups(rows)) {
      const group = members.map((i) => rows[i]!);
      this.#shapeGroup(
        group,
        group.map((row) => project(row, projection, dim)),
        log,
      );
    }
  }

  #shapeGroup(group: readonly Row[], features: (Float64Array | null)[], log: MetricLog | undefined): void {
    const { beta, gate, lambda, type, normalize, persist } = this.#config;
    const raw =
      persist === null
        ? ellipticalBonus(features, lambda, type)
        : persistentBonus(features, this.#memory(String(group[0]!.record[persist])));
    const extrinsic = group.map(({ reward }) => reward);
    const open = bonusGate(extrinsic, gate);
    normalizeBonus(raw, normalize).forEach((bonus, k) => {
      const kept = open[k] ? bonus : 0;
      group[k]!.reward = shapedReward(extrinsic[k]!, kept, this.#config);
      addMean(log, "elliptical/bonus", raw[k]!, 1);
      addMin(log, "elliptical/bonus_min", raw[k]!);
      addMax(log, "elliptical/bonus_max", raw[k]!);
      addMean(log, "elliptical/scaled", beta * kept, 1);
      addMean(log, "elliptical/extrinsic", extrinsic[k]!, 1);
      addMean(log, "elliptical/total", group[k]!.reward, 1);
      const { hiddenLogprob = Number.NaN } = group[k]!;
      if (!Number.isNaN(hiddenLogprob)) addMean(log, "elliptical/base_logprob", hiddenLogprob, 1);
    });
    if (raw.length > 1) addMean(log, "elliptical/bonus_std", standardDeviation(raw, "sample"), 1);
    const right = extrinsic.reduce((sum, reward) => sum + reward, 0);
    const kind = right === 0 ? "none" : right === group.length ? "all" : "some";
    for (const one of ["none", "some", "all"]) addMean(log, `elliptical/${one}_correct`, one === kind ? 1 : 0, 1);
  }

  #memory(id: string): FeatureMemory {
    const known = this.#memories.get(id) ?? emptyMemory(this.#config.dim, this.#config.lambda);
    this.#memories.set(id, known);
    return known;
  }

  saveState(): unknown {
    return { projection: this.#projection, memories: saveMemories(this.#memories) };
  }

  loadState(state: unknown): void {
    const { projection, memories } = state as { projection: SparseEntry[] | null; memories: unknown };
    this.#projection = projection;
    this.#memories = loadMemories(memories);
  }
}

/** The row's mean hidden state times the projection; null for an empty response. */
function project(row: Row, projection: readonly SparseEntry[], dim: number): Float64Array | null {
  if (row.length === 0) return null;
  if (row.hidden === undefined) throw new Error("the elliptical bonus needs hidden states");
  return projectSparse(row.hidden, projection, dim);
}
