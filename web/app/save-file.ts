/** The browser fetches the file before this time is over, and then the memory is given back. */
const KEPT_MS = 60_000;

/** Lets the user save bytes under a name. */
export function saveFile(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}
