/** The broker address is not one that taskexe understands. Its message never holds a password. */
export class BrokerUrlError extends Error {
  override readonly name = "BrokerUrlError";
}
