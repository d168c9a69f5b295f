import type { Infer } from "../../config/field.ts";
import {
  any,
  boolean,
  choice,
  duration,
  integer,
  list,
  number,
  object,
  optionalList,
  text,
} from "../../config/schema.ts";

/** A clock that ticks more often than this measures itself. */
const FREQUENCY_HZ_MAX = 10_000;
const PID_MAX = 2 ** 22;
const MIB = 1024 * 1024;

/** Keys of OpenTelemetry's own receiver for things that are not done here. */
const notDone = (reason: string) => ({ level: "refused", reason }) as const;
const notNeeded = (reason: string) => ({ level: "ignored", reason }) as const;

export const ebpfConfig = object({
  samples_per_second: integer({
    doc: "Samples a second on each CPU.",
    default: 20,
    min: 1,
    max: FREQUENCY_HZ_MAX,
    unit: "Hz",
  }),
  reporter_interval: duration({
    doc: "How often a batch of profiles goes out.",
    default: "5s",
    min: "100ms",
    max: "1h",
  }),
  reporter_jitter: number({
    doc:
      "Each interval is longer or shorter by up to this share, so that the agents of a fleet " +
      "do not send at the same time.",
    default: 0.2,
    min: 0,
    max: 0.9,
  }),
  pids: optionalList(integer({ doc: "A process.", required: true, min: 1, max: PID_MAX }), {
    doc:
      "Only these processes, and the children that they have from then on; every process of " +
      "the host when it is not given.",
  }),
  timestamps: boolean({
    doc: "Keep a timestamp for every sample instead of one sum for equal ones.",
    default: false,
  }),
  cpu_limit: number({
    doc:
      "Share of one CPU, in percent, that the whole program may use. When it takes more for a " +
      "minute, the receiver lowers its frequency until it does not; 0 turns this off.",
    default: 3,
    min: 0,
    max: 100,
    unit: "%",
  }),
  ring_bytes: integer({
    doc: "Size of the ring between kernel and program, rounded up to a power of two of pages.",
    default: 4 * MIB,
    min: 65_536,
    max: 256 * MIB,
    unit: "bytes",
  }),
  unwind_table_bytes: integer({
    doc:
      "Kernel memory for unwind tables, by which code without frame pointers is walked. Files " +
      "for which there is no room are walked by frame pointers, and counted.",
    default: 128 * MIB,
    min: 0,
    max: 4096 * MIB,
    unit: "bytes",
  }),
  unwind_cache_directory: text({
    doc:
      "Folder in which compiled unwind tables are kept for the next start; `none` keeps none. " +
      "Not given: /var/cache/obsforge for root, or what systemd's CacheDirectory= or XDG say.",
    default: "",
  }),
  error_mode: choice(["propagate", "ignore"], {
    doc: "Whether the program ends when the receiver cannot start, or runs without it.",
    default: "propagate",
  }),
  no_kernel_version_check: boolean({
    doc: "Start on kernels that are known to be unsafe.",
    default: false,
  }),
  monitor_interval: duration({
    doc: "Not needed: metrics are read when they are scraped.",
    default: "5s",
    support: notNeeded("metrics are read when they are scraped"),
  }),
  frame_cache_size: integer({
    doc: "Not needed: the cache of frames has a bound of its own.",
    support: notNeeded("the cache of frames has a bound of its own"),
  }),
  probabilistic_interval: duration({
    doc: "Only with probabilistic_threshold.",
    default: "1m",
    support: notNeeded("it means something only with probabilistic_threshold"),
  }),
  probabilistic_threshold: integer({
    doc: "Profiling a share of the hosts at a time is not done.",
    default: 100,
    support: notDone("profiling a share of the time is not done; lower samples_per_second"),
  }),
  interpreters: any({
    doc: "Frames of interpreters are not told apart.",
    support: notNeeded("frames of interpreters are not unwound apart"),
  }),
  clock_sync_interval: duration({
    doc: "Not needed: clocks are compared at every report.",
    default: "3m",
    support: notNeeded("clocks are compared at every report"),
  }),
  send_error_frames: boolean({
    doc: "Not needed: a stack that is not whole always says so.",
    default: false,
    support: notNeeded("a stack that is not whole always says so"),
  }),
  send_idle_frames: boolean({
    doc: "Idle CPUs are not sampled.",
    default: false,
    support: notDone("idle CPUs are not sampled"),
  }),
  filter_min_process_age: duration({
    doc: "Young processes are sampled too.",
    default: "0s",
    support: notDone("processes are sampled from their start"),
  }),
  verbose_mode: boolean({
    doc: "Use service::telemetry::logs::level.",
    default: false,
    support: notNeeded("use service::telemetry::logs::level: debug"),
  }),
  off_cpu_threshold: number({
    doc: "Off-CPU profiling is not here yet.",
    default: 0,
    support: notDone("there is no off-CPU profiling yet"),
  }),
  include_env_vars: text({
    doc: "Environment variables of processes are never read.",
    default: "",
    support: notDone("environment variables of processes are not read"),
  }),
  map_scale_factor: integer({
    doc: "Not needed: BPF maps have bounds of their own.",
    default: 0,
    support: notNeeded("BPF maps have bounds of their own"),
  }),
  bpf_verifier_log_level: integer({
    doc: "Not needed: the verifier's log is shown when a program is refused.",
    default: 0,
    support: notNeeded("the verifier's log is shown when a program is refused"),
  }),
  max_grpc_retries: integer({
    doc: "Not needed: exporters send.",
    default: 5,
    support: notNeeded("sending is the exporters' work"),
  }),
  max_rpc_msg_size: integer({
    doc: "Not needed: exporters send.",
    default: 32 * MIB,
    support: notNeeded("sending is the exporters' work"),
  }),
  bpf_fs_root: text({
    doc: "Not needed: nothing is pinned.",
    default: "/sys/fs/bpf/",
    support: notNeeded("nothing is pinned in the BPF file system"),
  }),
  obi_process_ctx: boolean({
    doc: "Contexts of OBI are not read.",
    default: false,
    support: notDone("contexts of OBI are not read"),
  }),
  pid_namespace_translation: boolean({
    doc: "Pids are those of the host.",
    default: false,
    support: notDone("pids are always those of the host"),
  }),
  pin_cpu_ids: list(integer({ doc: "A CPU.", required: true }), {
    doc: "Every online CPU is sampled.",
    support: notDone("every online CPU is sampled"),
  }),
  probes: list(any({ doc: "A probe." }), {
    doc: "Probes are not here yet.",
    support: notDone("there are no probes yet"),
  }),
});

export type EbpfConfig = Infer<typeof ebpfConfig>;
