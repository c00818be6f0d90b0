import assert from "node:assert/strict";
import { test } from "node:test";
import { answer, forbidden, openPage, settle } from "./page.js";

const FORM = (kind) => `<form data-door="${kind}"><input name="username" value="ann"><input name="password" value="secret">
  <p data-error="username" id="username-error"></p><p data-error="email"></p><p role="alert"></p><button>Go</button></form>`;
const ACTS = `<button data-act="out"><i>Sign out</i></button><button data-act="in">Sign in</button><div id="toasts"></div>`;
const LATER = "2026-03-04T12:00:00Z"; // 21:00 here

const open = async (t, kind = "login", url = "/login") => {
  const page = await openPage(t, FORM(kind) + ACTS, { scripts: ["sign-in"], url: `https://console.example${url}`, now: LATER });
  page.server = () => answer(204);
  page.submit = async () => {
    const goesOn = page.fire(page.$("form"), "submit");
    await settle();
    return goesOn;
  };
  page.alert = () => page.$("[role=alert]").textContent;
  page.sent = () => page.requests.map(({ path, body }) => [path, JSON.parse(body)]);
  return page;
};

test("signing in asks for a session and opens the first page", async (t) => {
  const page = await open(t);
  assert.equal(await page.submit(), false);
  assert.deepEqual(page.sent(), [["/api/auth/session", { username: "ann", password: "secret" }]]);
  assert.equal(page.requests[0].method, "POST");
  assert.equal(page.requests[0].headers["Content-Type"], "application/json");
  assert.deepEqual(page.location.visits, ["https://console.example/"]);
});

test("another form is left alone", async (t) => {
  const page = await open(t);
  page.document.body.insertAdjacentHTML("beforeend", "<form id='other'></form>");
  assert.equal(page.fire(page.$("#other"), "submit"), true);
  assert.deepEqual(page.requests, []);
});

test("whoever was sent to sign in goes on where the address says", async (t) => {
  const page = await open(t, "login", "/login?next=%2Fruns%3Fstatus%3Dfailed");
  await page.submit();
  assert.deepEqual(page.location.visits, ["https://console.example/runs?status=failed"]);
});

test("an address of another site leads to the first page", async (t) => {
  const page = await open(t, "login", "/login?next=/%09/evil.example/x");
  await page.submit();
  assert.deepEqual(page.location.visits, ["https://console.example/"]);
});

test("the part after # of the page that was asked for is kept, for that page alone", async (t) => {
  const page = await open(t, "login", "/jobs/a/b/?x=1#runs");
  assert.equal(sessionStorage.getItem("crontopus-hash"), JSON.stringify(["/jobs/a/b?x=1", "#runs"]));
  page.location.href = "https://console.example/login?next=/jobs/a/b%3Fx%3D1";
  await page.submit();
  page.location.href = "https://console.example/login?next=/jobs/a/c";
  await page.submit();
  page.location.href = "https://console.example/login?next=/jobs/a/b%3Fx%3D1%23other";
  await page.submit();
  assert.deepEqual(page.location.visits.map((url) => url.split("example")[1]), ["/jobs/a/b?x=1#runs", "/jobs/a/c", "/jobs/a/b?x=1#other"]);
});

test("what is stored for another purpose under the same name disturbs nobody", async (t) => {
  const page = await open(t);
  sessionStorage.setItem("crontopus-hash", "{");
  await page.submit();
  assert.deepEqual(page.location.visits, ["https://console.example/"]);
});

test("a new session is a new client for Reflex", async (t) => {
  const page = await open(t);
  sessionStorage.setItem("token", "old");
  await page.submit();
  assert.equal(sessionStorage.getItem("token"), null);
});

test("signing in works where the browser keeps nothing", async (t) => {
  const page = await open(t);
  Object.defineProperty(globalThis, "sessionStorage", { configurable: true, ...forbidden });
  await page.submit();
  assert.deepEqual(page.location.visits, ["https://console.example/"]);
});

test("registering signs in and opens the start page", async (t) => {
  const page = await open(t, "register");
  await page.submit();
  assert.deepEqual(page.sent().map(([path]) => path), ["/api/auth/register", "/api/auth/session"]);
  assert.deepEqual(page.location.visits, ["/start"]);
});

test("a form that is sent again carries the same key, another form another", async (t) => {
  const page = await open(t, "register"), keys = () => page.requests.map(({ headers }) => headers["Idempotency-Key"]);
  page.server = () => { throw new TypeError("Failed to fetch"); };
  await page.submit();
  await page.submit();
  delete page.$("form").dataset.once;
  await page.submit();
  const [first, again, other] = keys();
  assert.match(first, /^[0-9a-f]{32}$/);
  assert.equal(again, first);
  assert.notEqual(other, first);
});

test("a refused registration asks for no session", async (t) => {
  const page = await open(t, "register");
  page.server = () => answer(422, { detail: "x", errors: [{ field: "username", message: "Use `a-z`.", code: "x" }] });
  await page.submit();
  assert.equal(page.requests.length, 1);
  assert.deepEqual(page.location.visits, []);
  assert.equal(page.$("[data-error=username]").textContent, "Use a-z.");
  assert.equal(page.alert(), "");
});

test("a field with an error is marked, described and focused until the form is sent again", async (t) => {
  const page = await open(t, "register"), input = page.$("[name=username]");
  const marks = () => [input.getAttribute("aria-invalid"), input.getAttribute("aria-describedby")];
  page.server = () => answer(422, { detail: "x", errors: [{ field: "username", message: "Taken." }, { field: "email", message: "None." }] });
  await page.submit();
  assert.deepEqual(marks(), ["true", "username-error"]);
  assert.equal(page.document.activeElement, input);
  assert.deepEqual(page.all("[data-error]").map((place) => place.textContent), ["Taken.", "None."]);
  page.server = () => answer(204);
  await page.submit();
  assert.deepEqual(marks(), [null, null]);
});

test("an error of a field that the form has not is shown whole", async (t) => {
  const page = await open(t);
  page.server = () => answer(401, { detail: "Wrong `name` or password.", errors: [{ field: 'a"] b', message: "x" }, { message: "y" }] });
  await page.submit();
  assert.equal(page.alert(), "Wrong name or password.");
});

test("an error in another shape has words too", async (t) => {
  const page = await open(t);
  page.server = () => answer(500, { detail: ["?"] });
  await page.submit();
  assert.equal(page.alert(), "The server rejected the form.");
});

for (const [seconds, words] of [
  [1, "in 1 second."], [59, "in 59 seconds."], [60, "at 21:01."], [61, "at 21:02."], [3 * 3600, "at 5 Mar, 00:00."],
]) {
  test(`a limit that ends in ${seconds} s says "${words}"`, async (t) => {
    const page = await open(t);
    page.server = () => answer(429, { detail: "?" }, { "Retry-After": String(seconds) });
    await page.submit();
    assert.equal(page.alert(), `Too many attempts from your address. Try again ${words}`);
  });
}

test("Retry-After counts only with 429", async (t) => {
  const page = await open(t);
  page.server = () => answer(503, { detail: "The database is away." }, { "Retry-After": "5" });
  await page.submit();
  assert.equal(page.alert(), "The database is away.");
});

test("a 429 without Retry-After says what the server says", async (t) => {
  const page = await open(t);
  page.server = () => answer(429, { detail: "Slow down." });
  await page.submit();
  assert.equal(page.alert(), "Slow down.");
});

for (const [why, server] of [
  ["is silent", () => { throw new TypeError("Failed to fetch"); }],
  ["answers no JSON", () => ({ ok: false, status: 502, headers: new Headers(), json: async () => JSON.parse("<html>") })],
]) {
  test(`a server that ${why} is said, and the form can be sent again`, async (t) => {
    const page = await open(t);
    page.server = server;
    await page.submit();
    assert.equal(page.alert(), "The server does not answer. Try again in a moment.");
    assert.equal(page.$("form button").disabled, false);
    page.server = () => answer(204);
    await page.submit();
    assert.equal(page.alert(), "");
    assert.equal(page.location.visits.length, 1);
  });
}

test("while an answer is awaited the button does nothing", async (t) => {
  const page = await open(t);
  let reply;
  page.server = () => new Promise((resolve) => { reply = resolve; });
  await page.submit();
  assert.equal(page.$("form button").disabled, true);
  reply(answer(204));
  await settle();
  assert.equal(page.$("form button").disabled, false);
});

test("signing out ends the session, then leaves", async (t) => {
  const page = await open(t);
  page.click(page.$("[data-act=out] i"));
  assert.deepEqual(page.location.visits, []);
  await settle();
  assert.deepEqual(page.sent().map(([path]) => path), ["/api/auth/logout"]);
  assert.deepEqual(page.location.visits, ["/login"]);
});

test("who is not signed out stays and is told", async (t) => {
  const page = await open(t);
  page.server = () => { throw new TypeError("Failed to fetch"); };
  page.click(page.$("[data-act=out]"));
  await settle();
  page.server = () => answer(503, { detail: "The database is away." });
  page.click(page.$("[data-act=out]"));
  await settle();
  assert.deepEqual(page.location.visits, []);
  assert.deepEqual(page.all(".toast.s-failed span").map((words) => words.textContent), [
    "The server does not answer. You are still signed in.", "The database is away.",
  ]);
});

test("signing in comes back to the present page, part after # included", async (t) => {
  const page = await open(t, "login", "/jobs/?q=a b#x");
  page.click(page.$("[data-act=in]"));
  assert.deepEqual(page.location.visits, [`/login?next=${encodeURIComponent("/jobs?q=a%20b#x")}`]);
});

test("a click elsewhere does neither", async (t) => {
  const page = await open(t);
  page.click(page.$("form"));
  page.click(page.document);
  await settle();
  assert.deepEqual([page.requests, page.location.visits], [[], []]);
});
