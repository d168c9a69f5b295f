/** The command could not do its work; standard error says why. */
export const EXIT_FAILURE = 1;
/** The command line or a configuration is wrong. */
export const EXIT_USAGE = 2;
/** What a shell reports of a command that was ended by a signal is this plus the signal. */
export const EXIT_SIGNAL_BASE = 128;
