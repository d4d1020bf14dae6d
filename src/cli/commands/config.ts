import type { Argv, CommandModule } from "yargs";

async function schema(): Promise<void> {
  const { jsonSchema } = await import("../../config/explain.js");
  process.stdout.write(`${JSON.stringify(jsonSchema(), null, 1)}\n`);
}

async function explain({ key }: { key: string }): Promise<void> {
  const { explainKey } = await import("../../config/explain.js");
  process.stdout.write(`${explainKey(key)}\n`);
}

export const configCommand: CommandModule = {
  command: "config",
  describe: "What a configuration may hold",
  builder: (yargs: Argv) =>
    yargs
      .command("schema", "JSON Schema of a configuration, for editors", {}, schema)
      .command(
        "explain <key>",
        "Type, default and reason of a key",
        (y: Argv) => y.positional("key", { type: "string", demandOption: true, describe: "As in rollout.group_size" }),
        explain,
      )
      .demandCommand(1, "name an action: schema or explain"),
  handler: () => {},
};
