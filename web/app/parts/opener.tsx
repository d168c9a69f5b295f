import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { PageModel } from "../model.ts";

/** The place to open files where the page can read them; dropping works everywhere on the page. */
export function Opener({ page }: { page: PageModel }): JSX.Element | null {
  const isOver = useSignal(false);
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    const over = (event: DragEvent): void => {
      event.preventDefault();
      isOver.value = true;
    };
    const away = (): void => {
      isOver.value = false;
    };
    const drop = (event: DragEvent): void => {
      event.preventDefault();
      isOver.value = false;
      void openAll(page, [...(event.dataTransfer?.files ?? [])]);
    };
    document.addEventListener("dragover", over, { signal });
    document.addEventListener("dragleave", away, { signal });
    document.addEventListener("drop", drop, { signal });
    return () => abort.abort();
  }, [page, isOver]);
  if (page.info.value !== undefined && !isOver.value) return null;
  return (
    <div class={isOver.value ? "opener over" : "opener"}>
      <p>
        Drop profiles here: pprof, OTLP, speedscope, folded stacks, perf script. Two are shown as a
        difference.
      </p>
      <label class="file">
        Choose files
        <input
          type="file"
          multiple
          onChange={(event) => void openAll(page, [...(event.currentTarget.files ?? [])])}
        />
      </label>
    </div>
  );
}

async function openAll(page: PageModel, files: readonly File[]): Promise<void> {
  if (files.length > 0) await page.openFiles(files);
}
