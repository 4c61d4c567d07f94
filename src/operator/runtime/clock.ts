/** Time, passed in so that tests can be its master. */
export interface Clock {
  /** Milliseconds that never run backwards; their zero means nothing. */
  monotonicMs(): number;
  /** The date, for what others read. */
  now(): Date;
  /** Calls once after so many milliseconds; gives a way to call it off. */
  after(ms: number, call: () => void): () => void;
}

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  now: () => new Date(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
};
