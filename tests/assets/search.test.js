import assert from "node:assert/strict";
import { test } from "node:test";
import { answer, openPage, place, settle } from "./page.js";

const FORM = `<form role="search"><input id="search"></form>`;
const HTML = `${FORM}<p id="out" tabindex="0">out</p>`;
const FOUND = {
  count: 3,
  groups: [
    { kind: "job", more: true, href: "/jobs?text=b", hits: [
      { href: "/jobs/a/<b>", title: "<b>backup</b>", state: "failed", detail: "a" }, { href: "/jobs/a/c", title: "c", state: "odd", detail: "a" },
    ] },
    { kind: "commit", more: false, href: "/repository", hits: [{ href: "/repository/1", title: "Add b", state: "", detail: "by ann" }] },
  ],
};
const LINKS = ["/jobs/a/<b>", "/jobs/a/c", "/jobs?text=b", "/repository/1"];

const open = async (t, html = HTML, url = "/") => {
  const page = await openPage(t, html, { scripts: ["search"], url: `https://console.example${url}` });
  page.server = () => answer(200, FOUND);
  page.box = () => page.$("#search");
  page.enter = async (text, wait = 120) => { page.box().focus(); page.type(page.box(), text); page.tick(wait); await settle(); };
  page.shown = () => Boolean(page.$("#found-box:not([hidden])"));
  page.words = () => page.$("#found-box:not([hidden]) p")?.textContent;
  page.selected = () => page.$("[aria-selected=true]")?.getAttribute("href");
  return page;
};
// The keys of the box are heard by keys.js.
const openWithKeys = async (t) => {
  const page = await openPage(t, HTML, { scripts: ["keys"] });
  Object.assign(page, { server: () => answer(200, FOUND) });
  page.box = () => page.$("#search");
  page.enter = async (text) => { page.box().focus(); page.type(page.box(), text); page.tick(120); await settle(); };
  page.shown = () => Boolean(page.$("#found-box:not([hidden])"));
  page.key = (key) => page.press(page.box(), key);
  page.selected = () => page.$("[aria-selected=true]")?.getAttribute("href");
  return page;
};

test("what is typed is searched after a short rest, once", async (t) => {
  const page = await open(t);
  await page.enter("b", 119);
  await page.enter(" b&c ", 119);
  assert.deepEqual(page.requests, []);
  page.tick(1);
  await settle();
  assert.deepEqual(page.requests.map(({ path }) => path), ["/api/search?q=b%26c"]);
});

test("what was found is listed by kind, as text, with the colour of its state", async (t) => {
  const page = await open(t);
  await page.enter("b");
  assert.deepEqual(page.all("#found [role=option]").map((link) => link.getAttribute("href")), LINKS);
  assert.deepEqual(page.all("#found [role=group]").map((group) => group.getAttribute("aria-label")), ["Jobs", "Commits"]);
  assert.deepEqual(page.all("#found b").map((title) => title.textContent), ["<b>backup</b>", "c", "Add b"]);
  assert.deepEqual(page.all("#found small").map((words) => words.textContent), ["failed · a", "odd · a", "Show all jobs", "by ann"]);
  assert.deepEqual(page.all("#found s").map((dot) => [dot.className, dot.title]), [["dot s-failed", "failed"], ["dot s-unknown", "odd"]]);
  assert.equal(page.words(), "3 results. Press Enter for the results page.");
  assert.equal(page.box().getAttribute("aria-expanded"), "true");
  assert.deepEqual(page.all("#found [role=option]").map((link) => link.tabIndex), [-1, -1, -1, -1]);
});

for (const [what, server, words] of [
  ["nothing found", () => answer(200, { count: 0, groups: [] }), 'No results for "b".'],
  ["too many searches", () => answer(429, {}), "Too many searches. Wait a moment."],
  ["an error", () => answer(503, {}), "The search failed. Try again."],
  ["a silent server", () => { throw new TypeError("Failed to fetch"); }, "The server does not answer."],
]) {
  test(`${what} is said`, async (t) => {
    const page = await open(t);
    page.server = server;
    await page.enter("b");
    assert.equal(page.words(), words);
    assert.equal(page.all("[role=option]").length, 0);
  });
}

test("one result is one", async (t) => {
  const page = await open(t);
  page.server = () => answer(200, { ...FOUND, count: 1 });
  await page.enter("b");
  assert.equal(page.words(), "1 result. Press Enter for the results page.");
});

test("states have their colours", async (t) => {
  const page = await open(t), states = ["success", "timeout", "running", "missed", "skipped", "invalid", "in sync", "behind", "waiting", "blocked", "revoked"];
  const hits = states.map((state) => ({ href: "/", title: state, state, detail: "" }));
  page.server = () => answer(200, { count: 11, groups: [{ kind: "run", hits }] });
  await page.enter("b");
  assert.deepEqual(page.all("#found s").map((dot) => dot.className.replace("dot s-", "")), [
    "ok", "failed", "running", "missed", "skipped", "failed", "ok", "late", "late", "failed", "paused",
  ]);
});

test("the empty box left before the rest is over asks nothing", async (t) => {
  const page = await open(t);
  await page.enter("b", 100);
  page.fire(page.$("form"), "submit");
  page.tick(120);
  assert.deepEqual(page.requests, []);
});

test("an answer to an older search is dropped, a late failure too", async (t) => {
  const page = await open(t), replies = [];
  page.server = () => new Promise((resolve, reject) => replies.push({ resolve, reject }));
  await page.enter("a");
  await page.enter("ab");
  await page.enter("abc");
  replies[2].resolve(answer(200, { count: 0, groups: [] }));
  await settle();
  replies[0].resolve(answer(200, FOUND));
  replies[1].reject(new TypeError("Failed to fetch"));
  await settle();
  assert.equal(page.words(), 'No results for "abc".');
});

test("an answer that comes after the box was left is dropped", async (t) => {
  const page = await open(t);
  let reply;
  page.server = () => new Promise((resolve) => { reply = resolve; });
  await page.enter("b");
  page.$("#out").focus();
  reply(answer(200, FOUND));
  await settle();
  assert.equal(page.shown(), false);
});

test("an empty box closes the list and asks nothing", async (t) => {
  const page = await open(t);
  await page.enter("b");
  await page.enter("  ");
  assert.equal(page.shown(), false);
  assert.equal(page.requests.length, 1);
  assert.equal(page.box().getAttribute("aria-expanded"), "false");
});

test("leaving the box closes the list; a focus that comes back at once does not", async (t) => {
  const page = await open(t);
  await page.enter("b");
  page.box().blur();
  page.box().focus();
  page.tick(1);
  assert.equal(page.shown(), true);
  page.$("#out").focus();
  page.tick(1);
  assert.equal(page.shown(), false);
});

test("a click opens what was found and empties the box; one for a new tab is the browser's", async (t) => {
  const page = await open(t);
  await page.enter("b");
  const title = page.$("#found b");
  assert.equal(page.click(title, { ctrlKey: true }), true);
  assert.equal(page.click(title, { metaKey: true }), true);
  assert.equal(page.click(title, { shiftKey: true }), true);
  assert.equal(page.click(page.$("#found h3")), true);
  assert.deepEqual(page.location.visits, []);
  assert.equal(page.click(title), false);
  assert.deepEqual([page.location.visits, page.box().value, page.shown()], [["/jobs/a/<b>"], "", false]);
  assert.notEqual(page.document.activeElement, page.box());
});

test("the box keeps the focus while one presses the pointer on the list", async (t) => {
  const page = await open(t);
  await page.enter("b");
  assert.equal(page.point(page.$("#found b"), "mousedown"), false);
});

test("Enter without a choice opens the page of all", async (t) => {
  const page = await open(t);
  await page.enter(" b c ");
  assert.equal(page.fire(page.$("form"), "submit"), false);
  assert.deepEqual(page.location.visits, ["/search?q=b+c"]);
  assert.equal(page.shown(), false);
  page.box().value = " ";
  page.fire(page.$("form"), "submit");
  assert.equal(page.location.visits.length, 1);
});

test("another form is not the search's", async (t) => {
  const page = await open(t, `${HTML}<form id="f"></form>`);
  assert.equal(page.fire(page.$("#f"), "submit"), true);
});

test("arrows go through the options around the ends, and Enter opens the one", async (t) => {
  const page = await openWithKeys(t);
  await page.enter("b");
  assert.equal(page.key("Enter"), true);
  page.key("ArrowUp");
  assert.equal(page.selected(), LINKS[3]);
  assert.equal(page.key("ArrowDown"), false);
  assert.equal(page.selected(), LINKS[0]);
  assert.equal(page.box().getAttribute("aria-activedescendant"), "found-0");
  page.key("ArrowDown");
  page.key("ArrowDown");
  page.key("ArrowUp");
  assert.equal(page.selected(), LINKS[1]);
  assert.equal(page.all("[aria-selected=true]").length, 1);
  assert.equal(page.key("Enter"), false);
  assert.deepEqual(page.location.visits, [LINKS[1]]);
});

test("a new answer begins without a choice", async (t) => {
  const page = await openWithKeys(t);
  await page.enter("b");
  page.key("ArrowDown");
  await page.enter("bc");
  assert.equal(page.box().getAttribute("aria-activedescendant"), null);
  assert.equal(page.key("Enter"), true);
});

test("Escape closes the list, then leaves the box; arrow down searches again", async (t) => {
  const page = await openWithKeys(t);
  await page.enter("b");
  assert.equal(page.key("Escape"), false);
  assert.equal(page.shown(), false);
  assert.equal(page.document.activeElement, page.box());
  assert.equal(page.key("ArrowDown"), true);
  page.tick(120);
  await settle();
  assert.equal(page.shown(), true);
  page.key("Escape");
  page.key("Escape");
  assert.notEqual(page.document.activeElement, page.box());
});

test("arrows in an empty list do nothing", async (t) => {
  const page = await openWithKeys(t);
  page.server = () => answer(200, { count: 0, groups: [] });
  await page.enter("b");
  page.key("ArrowDown");
  page.key("ArrowUp");
  assert.equal(page.selected(), undefined);
});

for (const [where, box, left, width] of [
  ["under the box", { left: 200, top: 10, width: 500, height: 30 }, "200px", "500px"],
  ["wide enough to read", { left: 200, top: 10, width: 100, height: 30 }, "200px", "420px"],
  ["within the window on the right", { left: 900, top: 10, width: 100, height: 30 }, "592px", "420px"],
  ["within the window on the left", { left: -50, top: 10, width: 3000, height: 30 }, "12px", "1000px"],
]) {
  test(`the list lies ${where}`, async (t) => {
    const page = await open(t);
    place(page.box(), box);
    await page.enter("b");
    const { style } = page.$("#found-box");
    assert.deepEqual([style.top, style.left, style.width], ["44px", left, width]);
  });
}

test("the list follows its box when the window changes", async (t) => {
  const page = await open(t);
  page.fire(page.window, "resize");
  await page.enter("b");
  place(page.box(), { left: 300, top: 10, width: 500, height: 30 });
  page.fire(page.window, "resize");
  assert.equal(page.$("#found-box").style.left, "300px");
});

test("a page that goes with the focus in its box hands text and focus to the next one's", async (t) => {
  const page = await open(t);
  await page.enter("back", 0);
  page.$("form").remove();
  await page.draw();
  page.document.body.insertAdjacentHTML("afterbegin", FORM);
  await page.draw();
  assert.equal(page.document.activeElement, page.box());
  assert.equal(page.box().value, "back");
  page.tick(120);
  await settle();
  assert.equal(page.shown(), true);
});

test("it does not where the box was left, or what it held was chosen", async (t) => {
  const page = await open(t);
  await page.enter("b");
  page.click(page.$("#found b"));
  page.$("form").remove();
  page.document.body.insertAdjacentHTML("afterbegin", FORM);
  await page.draw();
  assert.notEqual(page.document.activeElement, page.box());
  page.box().focus();
  page.$("#out").focus();
  page.tick(1);
  page.$("form").remove();
  page.document.body.insertAdjacentHTML("afterbegin", FORM);
  await page.draw();
  assert.notEqual(page.document.activeElement, page.box());
});

test("after five seconds nobody waits for the next box", async (t) => {
  const page = await open(t);
  await page.enter("back", 0);
  page.$("form").remove();
  await page.draw();
  page.tick(5000);
  page.document.body.insertAdjacentHTML("afterbegin", FORM);
  await page.draw();
  assert.notEqual(page.document.activeElement, page.box());
  assert.equal(page.box().value, "");
});

test("the page of all shows what was searched for, in a box that is new", async (t) => {
  const page = await open(t, `<p id="p"></p>`, "/search?q=back+up");
  page.document.body.insertAdjacentHTML("afterbegin", FORM);
  await page.draw();
  assert.equal(page.box().value, "back up");
  page.box().value = "";
  page.$("#p").append("x");
  await page.draw();
  assert.equal(page.box().value, "");
});

test("other pages leave the box empty", async (t) => {
  const page = await open(t, "", "/jobs?q=x");
  page.document.body.insertAdjacentHTML("afterbegin", FORM);
  await page.draw();
  assert.equal(page.box().value, "");
});
