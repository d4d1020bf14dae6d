import type { CommandModule } from "yargs";
import { ExitCode } from "../../errors.js";

async function handler(): Promise<void> {
  const { diagnose } = await import("../../pipeline/doctor.js");
  const { lines, healthy } = diagnose();
  process.stdout.write(`${lines.join("\n")}\n`);
  if (!healthy) process.exitCode = ExitCode.native;
}

export const doctorCommand: CommandModule = {
  command: "doctor",
  describe: "Versions, kernels, threads and memory of this machine",
  handler,
};
