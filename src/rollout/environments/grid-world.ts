import type { EnvironmentConfig } from "../../config/schema/environment.js";
import { ExitCode, GrpoError } from "../../errors.js";
import type { Task } from "../../tree/episode.js";
import type { Environment } from "../environment.js";

const moves: Readonly<Record<string, readonly [number, number]>> = { u: [-1, 0], d: [1, 0], l: [0, -1], r: [0, 1] };

/**
 * A walker in a map of lines: `.` is free, `#` a wall, `A` the walker, `G` the goal. The first of u, d, l, r in an action moves
 * it; into a wall or the border it stays. The observation is the new map, so a state is told whole: `\nMAP\n>`.
 *
 * @throws GrpoError GRPO_DATA, when started, for a row without a map with one A and one G
 */
export function gridWorldEnvironment(config: Extract<EnvironmentConfig, { kind: "grid_world" }>): Environment {
  return {
    stop: Object.keys(moves),
    finalTurns: 0,
    cut(text) {
      const at = text.search(/[udlr]/);
      return at < 0 ? text : text.slice(0, at + 1);
    },
    async start(task, count) {
      const first = readMap(task, config.column);
      return Array.from({ length: count }, () => {
        let map = first;
        return {
          anchor: render(first),
          async step(action) {
            const move = moves[/[udlr]/.exec(action)?.[0] ?? ""];
            const next = move === undefined ? map : walk(map, move);
            const done = next.walker === next.goal;
            map = next;
            const shown = render(map);
            const reward = config.step_reward + (done ? config.goal_reward : 0);
            const observation = done ? "" : `\n${shown}\n>`;
            return { observation, done, reward, valid: move !== undefined, anchor: shown };
          },
        };
      });
    },
    async close() {},
  };
}

/** Cells in reading order, `#` for walls and "\n" between lines, so that a step down is one line's width. */
interface GridMap {
  cells: string;
  width: number;
  walker: number;
  goal: number;
}

function readMap({ index, record }: Task, column: string): GridMap {
  const text = record[column];
  const lines = typeof text === "string" ? text.trim().split("\n") : [];
  const cells = lines.join("\n");
  const width = lines[0]?.length ?? 0;
  const fits = /^[^AG]*(?:A[^AG]*G|G[^AG]*A)[^AG]*$/.test(cells) && /^[AG.#\n]+$/.test(cells);
  if (!fits || lines.some((line) => line.length !== width)) {
    throw new GrpoError("GRPO_DATA", `row ${index + 1}: column "${column}" holds no map: ${JSON.stringify(text)}`, {
      exitCode: ExitCode.data,
      fix: "give lines of equal width of . and #, with one A (the walker) and one G (the goal)",
    });
  }
  return { cells: cells.replace(/[AG]/g, "."), width, walker: cells.indexOf("A"), goal: cells.indexOf("G") };
}

function walk(map: GridMap, [down, right]: readonly [number, number]): GridMap {
  const to = map.walker + down * (map.width + 1) + right;
  return map.cells[to] === "." ? { ...map, walker: to } : map;
}

function render({ cells, walker, goal }: GridMap): string {
  return Array.from(cells, (cell, i) => (i === walker ? "A" : i === goal ? "G" : cell)).join("");
}
