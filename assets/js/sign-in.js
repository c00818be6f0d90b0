// Sign-in, registration and sign-out: the API sets the HttpOnly cookie.
import { destination, here, leaveTo } from "./addresses.js";
import { around } from "./dom.js";
import { say } from "./toasts.js";
import { shortTime } from "./zones.js";

const SILENT = "The server does not answer. Try again in a moment.";

const post = (path, body, headers = {}) =>
  fetch(path, { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) });

const randomKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** When a rate limit ends, by the visitor's clock: with the date when that is not today. */
const retryText = (seconds) => {
  if (seconds < 60) return `Try again in ${seconds} second${seconds === 1 ? "" : "s"}.`;
  const minute = Math.ceil((Date.now() + seconds * 1000) / 60_000) * 60_000;
  return `Try again at ${shortTime(new Date(minute))}.`;
};

const plain = (text) => text.replaceAll("`", "");

const showError = (form, text) => { form.querySelector("[role=alert]").textContent = text; };

const markWrong = (form, field, place) => {
  const input = form.elements[field];
  if (!input) return;
  input.setAttribute("aria-invalid", "true");
  if (place.id) input.setAttribute("aria-describedby", place.id);
};

/** Shows each message at its field and focuses the first; if none has a field, the whole error at the form's alert. */
const showProblem = (form, problem) => {
  let placed = false;
  for (const { field, message } of problem.errors || []) {
    const place = form.querySelector(`[data-error="${CSS.escape(field || "")}"]`);
    if (!place) continue;
    place.textContent = plain(message);
    markWrong(form, field, place);
    placed = true;
  }
  if (placed) form.querySelector("[aria-invalid]")?.focus();
  else showError(form, typeof problem.detail === "string" ? plain(problem.detail) : "The server rejected the form.");
};

const showRefusal = async (form, answer) => {
  const seconds = Number(answer.headers.get("Retry-After"));
  if (answer.status === 429 && seconds > 0) showError(form, `Too many attempts from your address. ${retryText(seconds)}`);
  else showProblem(form, await answer.json());
};

const clearErrors = (form) => {
  form.querySelectorAll("[data-error],[role=alert]").forEach((place) => { place.textContent = ""; });
  form.querySelectorAll("[aria-invalid]").forEach((input) => {
    input.removeAttribute("aria-invalid");
    input.removeAttribute("aria-describedby");
  });
};

/** Registers if the form does, then signs in; returns the last answer, or the first error. */
const send = async (form, fields) => {
  if (form.dataset.door === "register") {
    // One key per opened form: a form sent again, after an answer was lost, registers one account.
    form.dataset.once ||= randomKey();
    const answer = await post("/api/auth/register", fields, { "Idempotency-Key": form.dataset.once });
    if (!answer.ok) return answer;
  }
  return post("/api/auth/session", { username: fields.username, password: fields.password });
};

const submit = async (form) => {
  const button = form.querySelector("button");
  clearErrors(form);
  button.disabled = true;
  try {
    const answer = await send(form, Object.fromEntries(new FormData(form)));
    if (!answer.ok) await showRefusal(form, answer);
    else leaveTo(form.dataset.door === "register" ? "/start" : destination());
  } catch { showError(form, SILENT); }
  finally { button.disabled = false; }
};

const signOut = async () => {
  try {
    const answer = await post("/api/auth/logout", {});
    if (answer.ok) leaveTo("/login"); else say({ text: (await answer.json()).detail, state: "failed" });
  } catch { say({ text: "The server does not answer. You are still signed in.", state: "failed" }); }
};

addEventListener("submit", (event) => {
  if (!event.target.dataset?.door) return;
  event.preventDefault();
  event.stopPropagation();
  submit(event.target);
}, true);
addEventListener("click", (event) => {
  if (around(event, "[data-act=in]")) leaveTo(`/login?next=${encodeURIComponent(here() + location.hash)}`);
  else if (around(event, "[data-act=out]")) signOut();
});
