// The theme: light, dark, or the system's if none is stored. A script in the page's head (ui/theme.py) sets it before
// the first paint; this one changes it.
import { around, inNextFrame, onChange, remember, remembered } from "./dom.js";

const KEY = "crontopus-theme";
const THEMES = ["system", "light", "dark"];

const chosen = () => remembered("localStorage", KEY) || "system";

const paint = () => {
  const root = document.documentElement, theme = chosen();
  if (theme === "system") delete root.dataset.theme; else root.dataset.theme = theme;
  document.querySelectorAll("[data-theme-pick]").forEach((input) => { input.checked = input.dataset.themePick === theme; });
};

const choose = (theme) => { if (remember("localStorage", KEY, theme)) paint(); };

addEventListener("change", (event) => {
  if (event.target.dataset?.themePick) choose(event.target.dataset.themePick);
});
addEventListener("click", (event) => {
  if (around(event, "[data-act=theme]")) choose(THEMES[(THEMES.indexOf(chosen()) + 1) % THEMES.length]);
});
onChange(inNextFrame(paint));
paint();
