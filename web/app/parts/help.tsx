import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { keyBindings } from "../keys.ts";
import type { PageModel } from "../model.ts";

const readableKeys: Readonly<Record<string, string>> = {
  ArrowUp: "↑",
  ArrowDown: "↓",
  ArrowLeft: "←",
  ArrowRight: "→",
  " ": "Space",
};

/** The list of all keys. */
export function Help({ page }: { page: PageModel }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const isOpen = page.isHelpOpen.value;
  useEffect(() => {
    if (isOpen) dialog.current?.showModal();
    else dialog.current?.close();
  }, [isOpen]);
  return (
    <dialog
      ref={dialog}
      aria-labelledby="help-title"
      onClose={() => {
        page.isHelpOpen.value = false;
        page.graph?.element.focus({ preventScroll: true });
      }}
    >
      <h2 id="help-title">Keys of the graph</h2>
      <dl>
        {keyBindings.map(({ keys, does }) => (
          <div key={does}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{readableKeys[key] ?? key}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <form method="dialog">
        <button type="submit">Close</button>
      </form>
    </dialog>
  );
}
