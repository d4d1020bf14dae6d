import { ExitCode } from "../errors.js";

/**
 * A signal that the first Ctrl-C (or a polite kill) aborts, so that a run can save; a second one ends the process at once.
 */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(ExitCode.aborted);
    process.stderr.write("grpo: stopping once the state is saved; press Ctrl-C again to stop at once\n");
    process.exitCode = ExitCode.aborted;
    controller.abort();
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  return controller.signal;
}
