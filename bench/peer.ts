import { spawn } from "node:child_process";

/** Runs a program to its end and returns what it printed. @throws Error with its error output when it fails */
export function runProgram(command: string, args: readonly string[], env = process.env): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env });
    let out = "";
    let errors = "";
    child.stdout.on("data", (chunk) => {
      out += chunk;
    });
    child.stderr.on("data", (chunk) => {
      errors += chunk;
    });
    child.on("error", reject);
    child.on("close", (code) =>
      code === 0 ? resolve(out) : reject(new Error(`${command} ended with ${code}: ${errors.slice(-2000)}`)),
    );
  });
}

/** Mean reward at a few places of a curve. */
export function summary(rewards: readonly number[]): string {
  const mean = (from: number, to: number) => {
    const part = rewards.slice(from, to);
    return (part.reduce((sum, x) => sum + x, 0) / part.length).toFixed(3);
  };
  const places = [10, 20, 40, 60].filter((end) => end <= rewards.length);
  return places.map((end) => `reward ${mean(end - 10, end)} in steps ${end - 9}-${end}`).join(", ");
}
