/** How a run ends, told to the shell. The numbers are part of the command line's contract. */
export const ExitCode = { ok: 0, failure: 1, usage: 2, config: 3, data: 4, native: 5, aborted: 130 } as const;

export interface GrpoErrorOptions {
  /** One of {@link ExitCode}. */
  exitCode: number;
  /** What the user can do about it, in one sentence. */
  fix?: string;
  cause?: unknown;
}

/** A mistake the user can mend. Everything else that is thrown is a bug and keeps its stack. */
export class GrpoError extends Error {
  readonly code: string;
  readonly exitCode: number;
  readonly fix: string | undefined;

  constructor(code: string, message: string, options: GrpoErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "GrpoError";
    this.code = code;
    this.exitCode = options.exitCode;
    this.fix = options.fix;
  }
}
