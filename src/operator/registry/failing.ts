/** Something outside the spec is not as it must be; looked at again shortly, since it may change at any time. */
export class Failing extends Error {
  /** CamelCase, for the condition. */
  readonly reason: string;

  constructor(reason: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Failing';
    this.reason = reason;
  }
}
