import { writeFileSync } from "node:fs";
import { loadAddon } from "../../src/native/load.js";

/** Preloaded into the program: leaves in the file GRPO_TEST_GATHERS how many products the update took over from the rollout. */
const addon = loadAddon();
const { gatherSlabs } = addon;
let count = 0;
addon.gatherSlabs = (...given) => {
  count += 1;
  gatherSlabs(...given);
};
process.on("exit", () => writeFileSync(process.env.GRPO_TEST_GATHERS!, String(count)));
