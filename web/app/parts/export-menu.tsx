import type { JSX } from "preact";
import type { PageModel } from "../model.ts";
import { saveFile } from "../save-file.ts";

const formats = ["SVG", "PNG", "pprof", "folded"] as const;

/** Saves what is on screen in a file. */
export function ExportMenu({ page }: { page: PageModel }): JSX.Element {
  return (
    <label class="choice">
      <span>Export</span>
      <select
        value=""
        onChange={(event) => {
          const format = event.currentTarget.value;
          event.currentTarget.value = "";
          void exportAs(page, format);
        }}
      >
        <option value="">as…</option>
        {formats.map((format) => (
          <option key={format} value={format}>
            {format}
          </option>
        ))}
      </select>
    </label>
  );
}

async function exportAs(page: PageModel, format: string): Promise<void> {
  const { graph } = page;
  if (graph === undefined) return;
  try {
    switch (format) {
      case "SVG":
        saveFile("flamegraph.svg", new Blob([graph.toSvg()], { type: "image/svg+xml" }));
        break;
      case "PNG":
        saveFile("flamegraph.png", await graph.toPng());
        break;
      case "pprof":
        saveFile("profile.pb.gz", new Blob([new Uint8Array(await page.exported("pprof"))]));
        break;
      case "folded":
        saveFile("profile.folded", new Blob([new Uint8Array(await page.exported("folded"))]));
        break;
      default:
        return;
    }
    page.notice.value = `saved as ${format}`;
  } catch (error) {
    page.notice.value = `not saved: ${error instanceof Error ? error.message : String(error)}`;
  }
}
