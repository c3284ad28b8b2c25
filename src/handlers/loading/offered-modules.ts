/** What handler files may import by name, wherever they lie: handed to the loading by whoever starts it. */
export interface OfferedModules {
  readonly names: readonly string[];
  /** Makes the names importable from now on, in this thread. Calling it again does nothing. */
  offer(): Promise<void>;
}
