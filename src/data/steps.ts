/** Steps that `epochs` passes over `tasks` prompts make, `promptsPerStep` at a time; a last partial batch is dropped. */
export function stepsOf(tasks: number, promptsPerStep: number, epochs: number): { perEpoch: number; total: number } {
  const perEpoch = Math.floor(tasks / promptsPerStep);
  return { perEpoch, total: perEpoch * epochs };
}
