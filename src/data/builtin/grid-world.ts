import { ExitCode, GrpoError } from "../../errors.js";
import type { DataRecord } from "../plain.js";
import { Purpose, permutation } from "../random.js";

/** Options of the grid world. */
export interface GridWorldOptions {
  /** Cells per side. */
  size?: number | undefined;
  /** Cells that cannot be entered. */
  walls?: number | undefined;
  /** Most maps. */
  count?: number | undefined;
  split?: string | undefined;
  seed?: number | undefined;
}

/** Characters of every prompt, move and observation. */
export const gridWorldAlphabet = "AG.#\n>udlr";

/** One map in five is held out for testing. */
const heldOut = 5;

/**
 * Maps for the environment `grid_world`, `{ prompt: "A.#\n...\n..G\n>", map: "A.#\n...\n..G", distance: 4 }`, in an order fixed
 * by the seed. The goal can be reached in `distance` moves. Whether a map is in `train` or `test` is decided by its text, so
 * no map is in both.
 *
 * @throws GrpoError GRPO_CONFIG when an option is out of range
 */
export function gridWorldTask(options: GridWorldOptions = {}): DataRecord[] {
  const { size = 4, walls = 3, count = 200, split = "train", seed = 0 } = options;
  if (split !== "train" && split !== "test") throw optionError(`split "${split}" does not exist`, "use train or test");
  if (walls > size * size - 2)
    throw optionError("so many walls leave no room for A and G", "lower walls, or raise size");
  const rows = new Map<string, DataRecord>();
  // Small worlds have fewer maps than asked for.
  for (let i = 0; i < 20 * count && rows.size < count; i++) {
    const order = permutation(size * size, seed, Purpose.task, i);
    const cells = Array<string>(size * size).fill(".");
    order.subarray(0, walls + 2).forEach((cell, k) => {
      cells[cell] = ["A", "G"][k] ?? "#";
    });
    const map = Array.from({ length: size }, (_, r) => cells.slice(r * size, (r + 1) * size).join("")).join("\n");
    const distance = shortestPath(cells, size);
    if (distance !== null && (hash(map) % heldOut === 0) === (split === "test")) {
      rows.set(map, { prompt: `${map}\n>`, map, distance });
    }
  }
  return [...rows.values()];
}

/** Fewest moves from A to G; null where there is no way. */
function shortestPath(cells: readonly string[], size: number): number | null {
  const start = cells.indexOf("A");
  const distances = new Map([[start, 0]]);
  for (const [cell, distance] of distances) {
    if (cells[cell] === "G") return distance;
    const column = cell % size;
    const next = [
      cell - size,
      cell + size,
      ...(column > 0 ? [cell - 1] : []),
      ...(column < size - 1 ? [cell + 1] : []),
    ];
    for (const to of next) {
      if (cells[to] !== undefined && cells[to] !== "#" && !distances.has(to)) distances.set(to, distance + 1);
    }
  }
  return null;
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const character of text) value = Math.imul(value ^ character.codePointAt(0)!, 0x01000193) >>> 0;
  return value;
}

function optionError(what: string, fix: string): GrpoError {
  return new GrpoError("GRPO_CONFIG", `built-in task grid_world: ${what}`, { exitCode: ExitCode.config, fix });
}
