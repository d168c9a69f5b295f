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

/** A stop that takes longer than this is given up, and so is what it still held [R15]. */
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
    const service = await Service.create(configuration, {
      logger,
      lostLogLines: () => output.lost,
    });
    return await serve(service, logger, interruption.signal);
  } finally {
    await output.close();
  }
}

async function serve(service: Service, logger: Logger, signal: AbortSignal): Promise<number> {
  try {
    await service.start();
  } catch (error) {
    throw withRights(error);
  }
  logger.info("running", { version: programVersion(), pipelines: service.pipelines.join(", ") });
  await aborted(signal);
  logger.info("stopping");
  return stopped(service, logger);
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
  const level: LogLevel = logs.level;
  const logger = createLogger(level, (line) => output.write(line), format);
  const fields = [...logs.initial_fields].map(([key, value]) => [key, String(value)] as const);
  return fields.length === 0 ? logger : loggerWith(logger, Object.fromEntries(fields) as LogFields);
}
