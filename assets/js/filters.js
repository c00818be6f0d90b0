// Puts a form of filters (data-go) into the address, without empty fields; a select submits at once.
import { go } from "./addresses.js";

addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset?.go === undefined) return;
  event.preventDefault();
  const filled = new URLSearchParams([...new FormData(form)].filter(([, value]) => value.trim()));
  const path = form.getAttribute("action");
  go(filled.size ? `${path}?${filled}` : path);
});
addEventListener("change", (event) => {
  const { tagName, form } = event.target;
  if (tagName === "SELECT" && form?.dataset.go !== undefined) form.requestSubmit();
});
