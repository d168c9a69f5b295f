/** The user who called sudo. */
export interface CallingUser {
  readonly uid: number;
  readonly gid: number;
  /** "" when sudo does not say it. */
  readonly name: string;
}

/** Who called sudo to run this program as root; undefined when nobody did. */
export function callingUser(): CallingUser | undefined {
  const { SUDO_UID, SUDO_GID, SUDO_USER } = process.env;
  if (process.getuid?.() !== 0 || !isId(SUDO_UID) || !isId(SUDO_GID)) return undefined;
  if (Number(SUDO_UID) === 0) return undefined;
  return { uid: Number(SUDO_UID), gid: Number(SUDO_GID), name: SUDO_USER ?? "" };
}

function isId(text: string | undefined): text is string {
  return text !== undefined && /^\d{1,10}$/.test(text);
}
