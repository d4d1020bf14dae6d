import type { ModuleFailure } from "../../rewards/user-module.js";
import type { ActionResult } from "../environment.js";

/** Host to worker: begin a run on a data row, take an action in it, forget it, or end. */
export type EnvironmentRequest =
  | { kind: "start"; id: number; run: number; record: Record<string, unknown> }
  | { kind: "step"; id: number; run: number; action: string; final: boolean }
  | { kind: "close" };

/** Worker to host: once after loading, then once per request with its id. */
export type EnvironmentAnswer =
  | { kind: "ready"; stop: string[] }
  | { kind: "load_failed"; failure: ModuleFailure }
  | { kind: "started"; id: number; anchor: string | undefined }
  | { kind: "stepped"; id: number; result: ActionResult }
  | { kind: "threw"; id: number; failure: ModuleFailure };
