import assert from "node:assert/strict";
import { test } from "node:test";
import { environmentSchema } from "../../src/config/schema/environment.js";
import { gridWorldAlphabet, gridWorldTask } from "../../src/data/builtin/grid-world.js";
import { makeEnvironment } from "../../src/rollout/environments/registry.js";

const task = (map: unknown) => ({ index: 4, prompt: new Int32Array(0), text: "", record: { map } });
const world = (options: object = {}) =>
  makeEnvironment(environmentSchema.parse({ kind: "grid_world", ...options })!, 0);

test("maps can be solved in the distance they name, are never in both splits, and are the same for the same seed", async () => {
  const options = { size: 4, walls: 5, count: 40, seed: 3 };
  const train = gridWorldTask(options);
  const held = gridWorldTask({ ...options, split: "test" });
  assert.deepEqual(gridWorldTask(options), train);
  assert.notDeepEqual(gridWorldTask({ ...options, seed: 4 }), train);
  assert.equal(train.length, 40);
  const seen = new Set(train.map(({ map }) => map));
  assert.ok(held.length > 10 && held.every(({ map }) => !seen.has(map)));
  for (const { prompt, map, distance } of train) {
    assert.equal(prompt, `${map}\n>`);
    assert.ok([...String(prompt)].every((character) => gridWorldAlphabet.includes(character)));
    assert.equal(String(map).split("#").length - 1, 5);
    assert.ok(await solvable(String(map), Number(distance)));
    assert.ok(!(await solvable(String(map), Number(distance) - 1)));
  }
});

/** Whether some walk of `moves` actions reaches the goal, tried in the environment itself. */
async function solvable(map: string, moves: number): Promise<boolean> {
  const environment = await world();
  let states = new Set([map]);
  for (let move = 0; move < moves; move++) {
    const next = new Set<string>();
    for (const state of states) {
      const runs = await environment.start(task(state), 4);
      for (const [i, run] of runs.entries()) {
        const { done, anchor } = await run.step("udlr"[i]!, false);
        if (done) return true;
        next.add(anchor!);
      }
    }
    states = next;
  }
  return false;
}

test("walls and borders hold the walker; what is no move is invalid; the goal ends and pays", async () => {
  const environment = await world({ goal_reward: 5, step_reward: -1 });
  const [run] = await environment.start(task("A#\n.G"), 1);
  assert.equal(run!.anchor, "A#\n.G");
  const held = { observation: "\nA#\n.G\n>", done: false, reward: -1, valid: true, anchor: "A#\n.G" };
  assert.deepEqual(await run!.step("r", false), held);
  assert.deepEqual(await run!.step("l", false), held);
  assert.deepEqual(await run!.step(">>", false), { ...held, valid: false });
  assert.deepEqual(await run!.step(" d", false), { ...held, observation: "\n.#\nAG\n>", anchor: ".#\nAG" });
  assert.deepEqual(await run!.step("r", false), {
    observation: "",
    done: true,
    reward: 4,
    valid: true,
    anchor: ".#\n.A",
  });
  assert.equal(environment.cut("go right"), "go r");
  assert.equal(environment.cut("no moe"), "no moe");
});

test("a row without a map is told with what it holds", async () => {
  const environment = await world();
  for (const map of ["A.\n..", "AG\n.", "AA\nG.", 3]) {
    await assert.rejects(environment.start(task(map), 1), {
      code: "GRPO_DATA",
      message: `row 5: column "map" holds no map: ${JSON.stringify(map)}`,
    });
  }
});
