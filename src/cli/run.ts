import type { Configuration } from "../service/configuration.ts";
import { Service } from "../service/service.ts";
import type { LogsConfig } from "../service/service-config.ts";
import { LogOutput } from "../service/telemetry/log-output.ts";
import { sleep, systemClock } from "../support/clock.ts";
import { messageOf } from "../support/errors.ts";
import {
  createLogger,
  jsonLine,
  type LogFields,
  type Logger,
  type LogLevel,
  loggerWith,
  timedLine,
} from "../support/logger.ts";
import { programVersion } from "../support/program.ts";
import { EXIT_FAILURE } from "./exit-codes.ts";
import { aborted, Interruption } from "./interruption.ts";
import { type ConfigFlags, loadConfig } from "./load-configuration.ts";
import { withRights } from "./rights.ts";

/** A stop that takes longer than this is given up [R15]. */
const STOP_MS_MAX = 10_000;

/** Runs the pipelines of a configuration until Ctrl-C or SIGTERM, and returns the exit code. */
export async function runCollector(flags: ConfigFlags): Promise<number> {
  using interruption = new Interruption();
  const warnings: string[] = [];
  const { read } = await loadConfig(flags, (warning) => warnings.push(warning));
  const configuration = read();
  const output = await LogOutput.open(configuration.service.telemetry.logs.output_paths);
  const logger = loggerOf(configuration.service.telemetry.logs, output);
  for (const warning of warnings) logger.warn(warning);
  try {
    return await serve(configuration, logger, interruption);
  } finally {
    await output.close();
  }
}

async function serve(
  configuration: Configuration,
  logger: Logger,
  interruption: Interruption,
): Promise<number> {
  await using service = await Service.create(configuration, { logger });
  try {
    await service.start();
  } catch (error) {
    throw withRights(error);
  }
  const pipelines = [...configuration.graph.pipelines.keys()].join(", ");
  logger.info("running", { version: programVersion(), pipelines });
  await aborted(interruption.signal);
  logger.info("stopping", { signal: interruption.signalNumber });
  // Awaited here: the service is given back when this function ends.
  return await stopped(service, logger);
}

/** Delivers what was taken, for as long as STOP_MS_MAX. */
async function stopped(service: Service, logger: Logger): Promise<number> {
  const done = new AbortController();
  const stop = service.stop().then(
    () => "stopped",
    (error: unknown) => messageOf(error),
  );
  const timeout = sleep(STOP_MS_MAX, done.signal).then(() => `not within ${STOP_MS_MAX} ms`);
  const outcome = await Promise.race([stop, timeout]);
  done.abort();
  if (outcome === "stopped") {
    logger.info("stopped");
    return 0;
  }
  logger.error("the stop was not whole: some samples are lost", { reason: outcome });
  return EXIT_FAILURE;
}

function loggerOf(logs: LogsConfig, output: LogOutput): Logger {
  const format = logs.encoding === "json" ? jsonLine(systemClock) : timedLine(systemClock);
  const level = logs.level.toLowerCase() as LogLevel;
  const logger = createLogger(level, (line) => output.write(line), format);
  const fields = [...logs.initial_fields].map(([key, value]) => [key, String(value)] as const);
  return fields.length === 0 ? logger : loggerWith(logger, Object.fromEntries(fields) as LogFields);
}
