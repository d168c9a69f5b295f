import { effect, signal } from "@preact/signals";
import { render } from "preact";
import { EngineClient } from "../worker/client.ts";
import EngineWorker from "../worker/engine-worker.ts?worker&inline";
import { App } from "./app.tsx";
import { firstProfiles } from "./first-profiles.ts";
import { PageModel } from "./model.ts";
import "./page.css";

const dark = matchMedia("(prefers-color-scheme: dark)");
const prefersDark = signal(dark.matches);
dark.addEventListener("change", () => {
  prefersDark.value = dark.matches;
});

const page = new PageModel(new EngineClient(() => new EngineWorker()), prefersDark);
effect(() => {
  document.documentElement.dataset["theme"] = page.theme.value;
});
effect(() => {
  const title = page.info.value?.title;
  if (title) document.title = title;
});
addEventListener("hashchange", () => void page.readHash());

const host = document.getElementById("app");
if (host !== null) render(<App page={page} />, host);
void page.openFirst(firstProfiles());
