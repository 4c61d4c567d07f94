/**
 * The two ways in which a reconcile may not succeed: Stalled (nothing but a change of the spec helps), and any other error
 * (retried with back-off). Who only has to wait says so with `requeueAfterSeconds`.
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
