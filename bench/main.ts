/** `npm run bench -- NAME [options]`: one program per subject, each prints its numbers beside the machine's own ceiling. */
const programs: Record<string, () => Promise<{ run(args: string[]): Promise<void> }>> = {
  adamw: () => import("./adamw.js"),
  pointwise: () => import("./pointwise.js"),
  attention: () => import("./attention.js"),
  ceiling: () => import("./ceiling.js"),
  decode: () => import("./decode.js"),
  gemm: () => import("./gemm.js"),
  logprob: () => import("./logprob.js"),
  "long-context": () => import("./long-context.js"),
  methods: () => import("./methods.js"),
  sample: () => import("./sample.js"),
  scaling: () => import("./scaling.js"),
  step: () => import("./step.js"),
  race: () => import("./race.js"),
  stories: () => import("./stories.js"),
};

const [name, ...args] = process.argv.slice(2);
const program = name === undefined ? undefined : programs[name];
if (program === undefined) {
  console.error(`usage: npm run bench -- ${Object.keys(programs).join("|")} [options]`);
  process.exitCode = 2;
} else {
  await (await program()).run(args);
}
