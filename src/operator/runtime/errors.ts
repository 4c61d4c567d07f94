/**
 * The three ways in which a reconcile may not succeed: Stalled (nothing but a change of the spec helps), Waiting (look
 * again at a known time), and any other error (retried with back-off).
 */

/** What is asked for cannot be done; not retried until something about the object changes. */
export class Stalled extends Error {
  /** CamelCase, for the condition. */
  readonly reason: string;

  constructor(reason: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Stalled';
    this.reason = reason;
  }
}

/** Nothing is wrong, it only takes time; looked at again at `until`, or earlier when something changes. */
export class Waiting extends Error {
  readonly reason: string;
  readonly until: Date;

  constructor(reason: string, message: string, until: Date) {
    super(message);
    this.name = 'Waiting';
    this.reason = reason;
    this.until = until;
  }
}
