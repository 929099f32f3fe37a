/** A connection that could never work, such as one whose key no call can carry. */
export class BadConnection extends Error {
  override readonly name = "BadConnection";
}
