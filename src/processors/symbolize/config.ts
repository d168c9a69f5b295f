/** Options of the `symbolize` processor. */
export interface SymbolizeConfig {
  /** Show C++ and Rust names as their language writes them. */
  readonly demangle: boolean;
  /**
   * Give a frame without a name the text `libfoo.so+0x1234`, so that every tool shows it. The
   * mapping keeps its build id and is not said to have functions.
   */
  readonly nameUnresolved: boolean;
}

/** What a user gets who sets nothing. */
export const symbolizeDefaults: SymbolizeConfig = { demangle: true, nameUnresolved: true };
