/** What Vite makes of imports that TypeScript does not know. */
declare module "*.css";

declare module "*?worker&inline" {
  /** A worker whose code is in the bundle; it is started from a Blob. */
  const InlineWorker: new () => Worker;
  // biome-ignore lint/style/noDefaultExport: this is how Vite gives it.
  export default InlineWorker;
}
