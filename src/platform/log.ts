import pino from 'pino';

/** Structured log, one JSON object a line. Fields first, then the sentence. Neither may hold a secret. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  fatal(fields: object, message: string): void;
  /** Whether a line of this level is written at all. */
  isLevelEnabled(level: LogLevel): boolean;
  /** Changes what is written from now on. */
  setLevel(level: LogLevel): void;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface LogOptions {
  readonly level?: LogLevel;
  /** Fields of every line, for example the program's name. */
  readonly base?: Record<string, string>;
  /** File descriptor; 1 (stdout) unless given. */
  readonly fd?: number;
}

/** Writes synchronously, so that the last line before a crash is there. Level as a word, time as RFC 3339. */
export function createLog({ level = 'info', base = {}, fd = 1 }: LogOptions = {}): Log {
  const logger = pino(
    {
      level,
      base,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: pino.stdSerializers.err },
    },
    pino.destination({ fd, sync: true }),
  );
  return Object.assign(logger, {
    setLevel(next: LogLevel) {
      logger.level = next;
    },
  });
}
