import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage } from "./page.js";

const HTML = `<main id="main" tabindex="-1"></main><div id="toasts"></div><form data-undo=""><input name="key"></form>`;

const open = async (t, html = HTML) => {
  const page = await openPage(t, html, { scripts: ["toasts"] });
  page.say = page.window.crontopus.say;
  page.texts = () => page.all(".toast span").map((words) => words.textContent);
  page.button = (label) => page.all(".toast button").find((button) => button.textContent === label);
  return page;
};

test("a toast is text, with the colour of its state", async (t) => {
  const page = await open(t);
  page.say({ text: "<i>Saved</i>", state: "late" });
  page.say({ text: "Done" });
  assert.deepEqual(page.texts(), ["<i>Saved</i>", "Done"]);
  assert.deepEqual(page.all(".toast").map((toast) => toast.className), ["toast s-late", "toast s-ok"]);
  assert.deepEqual(page.all(".toast s").map((dot) => dot.className), ["dot s-late", "dot s-ok"]);
});

for (const [message, ms] of [[{ text: "x" }, 6000], [{ text: "x", href: "/a" }, 12_000], [{ text: "x", undo: "k" }, 12_000]]) {
  test(`${JSON.stringify(message)} goes after ${ms} ms`, async (t) => {
    const page = await open(t);
    page.say(message);
    page.tick(ms - 1);
    assert.equal(page.texts().length, 1);
    page.tick(1);
    assert.deepEqual(page.texts(), []);
  });
}

test("what failed is an alert and stays until it is closed", async (t) => {
  const page = await open(t);
  page.say({ text: "Refused.", state: "failed" });
  page.say({ text: "Saved." });
  assert.deepEqual(page.all(".toast").map((toast) => toast.getAttribute("role")), ["alert", null]);
  page.tick(3_600_000);
  assert.deepEqual(page.texts(), ["Refused."]);
  page.click(page.button("×"));
  assert.deepEqual(page.texts(), []);
});

test("the pointer holds a toast, which then has the time that was left, at least 1.5 s", async (t) => {
  const page = await open(t), { fire } = page;
  page.say({ text: "x" });
  const toast = page.$(".toast");
  page.tick(2000);
  fire(toast, "pointerenter");
  assert.ok(toast.classList.contains("held"));
  page.tick(60_000);
  fire(toast, "pointerleave");
  assert.ok(!toast.classList.contains("held"));
  page.tick(3999);
  fire(toast, "pointerenter");
  fire(toast, "pointerleave");
  page.tick(1499);
  assert.equal(page.texts().length, 1);
  page.tick(1);
  assert.equal(page.texts().length, 0);
});

test("a toast goes only when neither pointer nor focus holds it", async (t) => {
  const page = await open(t), { fire } = page;
  page.say({ text: "x" });
  const toast = page.$(".toast");
  page.button("×").focus();
  fire(toast, "pointerenter");
  fire(toast, "pointerleave");
  page.tick(60_000);
  assert.ok(toast.classList.contains("held"));
  page.$("#main").focus();
  page.tick(6000);
  assert.equal(page.texts().length, 0);
});

test("a toast that goes with the focus in it gives it to the page; another takes it from nobody", async (t) => {
  const page = await open(t);
  page.say({ text: "x", state: "failed" });
  page.say({ text: "y", state: "failed" });
  page.all(".toast button")[0].focus();
  page.click(page.all(".toast button")[1]);
  assert.equal(page.document.activeElement.textContent, "×");
  page.press(page.document.activeElement, "Escape");
  assert.equal(page.document.activeElement.id, "main");
});

test("Escape closes the toast that has the focus and nothing else; other keys do nothing", async (t) => {
  const page = await open(t), heard = [];
  page.window.addEventListener("keydown", (event) => heard.push(event.key));
  page.say({ text: "x" });
  page.press(page.button("×"), "a");
  assert.equal(page.texts().length, 1);
  page.press(page.button("×"), "Escape");
  assert.deepEqual([page.texts(), heard], [[], ["a"]]);
});

test("the latest four are kept", async (t) => {
  const page = await open(t);
  for (const text of "abcdef") page.say({ text });
  assert.deepEqual(page.texts(), ["c", "d", "e", "f"]);
});

for (const [href, drawn] of [
  ["/jobs/a/b", true], ["//evil.example", false], ["/\\evil.example", false], ["https://evil.example", false], ["javascript:alert(1)", false],
]) {
  test(`a link to ${href} is ${drawn ? "drawn" : "not drawn"}`, async (t) => {
    const page = await open(t);
    page.say({ text: "x", href, label: "Open it" });
    assert.deepEqual(page.all(".toast a").map((link) => [link.getAttribute("href"), link.textContent]), drawn ? [[href, "Open it"]] : []);
  });
}

test("undo sends its key once, and the toast goes", async (t) => {
  const page = await open(t), sent = [];
  page.$("form").addEventListener("submit", (event) => { event.preventDefault(); sent.push(page.$("[name=key]").value); });
  page.say({ text: "Deleted.", undo: "k1" });
  page.click(page.button("Undo"));
  assert.deepEqual([sent, page.texts()], [["k1"], []]);
});

test("the close button has a name", async (t) => {
  const page = await open(t);
  page.say({ text: "x" });
  assert.equal(page.button("×").getAttribute("aria-label"), "close");
  assert.deepEqual(page.all(".toast button").map((button) => button.type), ["button"]);
});

test("a page without a place for toasts says nothing", async (t) => {
  const page = await open(t, "");
  page.say({ text: "x" });
  assert.deepEqual(page.texts(), []);
});
