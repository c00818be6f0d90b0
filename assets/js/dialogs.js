// Dialogs open, close and return the focus. An opener names its dialog (data-open) and passes texts and values
// (data-give-…) to the elements named by data-given and data-take.
import { around, byId, focusPage } from "./dom.js";

const openers = new WeakMap();

const given = (opener, name) => opener.dataset[`give${name[0].toUpperCase()}${name.slice(1)}`] ?? "";

const fill = (dialog, opener) => {
  dialog.querySelectorAll("[data-given]").forEach((element) => { element.textContent = given(opener, element.dataset.given); });
  dialog.querySelectorAll("[data-take]").forEach((input) => { input.value = given(opener, input.dataset.take); });
};

export const open = (name, opener = null) => {
  const dialog = byId(name);
  if (!dialog || dialog.open) return;
  if (opener) {
    openers.set(dialog, opener);
    fill(dialog, opener);
  }
  dialog.showModal();
};

/** A click on the backdrop targets the dialog, outside its box; Enter in a form sends a click at 0, 0. */
const isOnBackdrop = (event, dialog) => {
  if (event.target !== dialog || !event.detail) return false;
  const box = dialog.getBoundingClientRect();
  return event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
};

addEventListener("click", (event) => {
  const opener = around(event, "[data-open]");
  if (opener) { open(opener.dataset.open, opener); return; }
  const dialog = around(event, "dialog[open]");
  if (dialog && (around(event, "[data-close]") || isOnBackdrop(event, dialog))) dialog.close();
});
addEventListener("submit", (event) => {
  if (event.target.dataset?.closes !== undefined) event.target.closest("dialog").close();
});
addEventListener("close", (event) => {
  const opener = openers.get(event.target);
  if (!opener) return;
  openers.delete(event.target);
  if (opener.isConnected) opener.focus(); else focusPage();
}, true);

window.crontopus = { ...window.crontopus, open };
