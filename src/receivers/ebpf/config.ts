/** Options of the `ebpf` receiver. */
export interface EbpfConfig {
  /** Samples a second on each CPU. OpenTelemetry's default is 20, that of `record` 99. */
  readonly samplesPerSecond: number;
  /** How often a batch goes out, milliseconds. */
  readonly reporterIntervalMs: number;
  /**
   * Only these processes and the children they have from then on; undefined for every process
   * of the host. An empty list samples nothing until a process is added.
   */
  readonly pids: readonly number[] | undefined;
  /** A timestamp for every sample, in place of one sum for equal ones. */
  readonly timestamps: boolean;
  /** Bytes of the ring between kernel and program; a power of two of pages. */
  readonly ringBytes: number;
}

/** What a user gets who sets nothing. */
export const ebpfDefaults: EbpfConfig = {
  samplesPerSecond: 20,
  reporterIntervalMs: 5000,
  pids: undefined,
  timestamps: false,
  // 64 CPUs at 99 Hz with stacks of 100 frames fill this in half a second; it is read ten times
  // as often.
  ringBytes: 4 * 1024 * 1024,
};
