const PATIENCE_MS = 20;
let last = performance.now();

/**
 * Gives way to the event loop when 20 ms have passed since the last time, so that progress, signals and servers stay
 * alive while native calls follow each other.
 */
export function yieldPoint(): Promise<void> | undefined {
  const now = performance.now();
  if (now - last < PATIENCE_MS) return undefined;
  return new Promise((resolve) => {
    setImmediate(() => {
      last = performance.now();
      resolve();
    });
  });
}
