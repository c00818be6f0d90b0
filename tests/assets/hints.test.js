import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage, place } from "./page.js";

const HTML = `<b id="one" data-tip="first" tabindex="0"><i>x</i></b><a id="link" href="/"><time data-tip="second">y</time></a>
  <b id="empty" data-tip="" tabindex="0">z</b><b id="plain" tabindex="0">w</b>`;

const open = async (t) => {
  const page = await openPage(t, HTML, { scripts: ["hints"] });
  page.hint = () => page.$("#hint:not([hidden])")?.textContent;
  page.over = (selector) => page.fire(page.$(selector), "pointerover");
  return page;
};

test("the pointer shows what an element says, and hides it elsewhere", async (t) => {
  const page = await open(t);
  page.over("#one i");
  assert.equal(page.hint(), "first");
  assert.equal(page.$("#one").getAttribute("aria-describedby"), "hint");
  page.over("#plain");
  assert.equal(page.hint(), undefined);
  assert.equal(page.$("#one").getAttribute("aria-describedby"), null);
  page.over("#link time");
  assert.equal(page.hint(), "second");
  page.over("#empty");
  assert.equal(page.hint(), undefined);
  assert.equal(page.all("#hint[role=tooltip]").length, 1);
});

test("the focus shows it too, a link's that of the time in it", async (t) => {
  const page = await open(t);
  page.$("#one").focus();
  assert.equal(page.hint(), "first");
  page.$("#link").focus();
  assert.equal(page.hint(), "second");
  assert.equal(page.$("#link").getAttribute("aria-describedby"), "hint");
  page.$("#plain").focus();
  assert.equal(page.hint(), undefined);
});

test("the focus that a click gave shows none", async (t) => {
  const page = await open(t), element = page.$("#one");
  element.matches = (selector) => selector !== ":focus-visible";
  element.focus();
  assert.equal(page.hint(), undefined);
});

test("the pointer elsewhere leaves the hint of what has the focus", async (t) => {
  const page = await open(t);
  page.$("#one").focus();
  page.over("#plain");
  assert.equal(page.hint(), "first");
});

for (const [why, act] of [
  ["Escape", (page) => page.press(page.document.body, "Escape")], ["scrolling", (page) => page.fire(page.$("#plain"), "scroll", { bubbles: false })],
  ["leaving", (page) => page.$("#one").blur()],
]) {
  test(`${why} hides it`, async (t) => {
    const page = await open(t);
    page.$("#one").focus();
    page.press(page.document.body, "a");
    assert.equal(page.hint(), "first");
    act(page);
    assert.equal(page.hint(), undefined);
  });
}

for (const [where, box, top, left] of [
  ["below", { left: 300, top: 100, width: 50, height: 20 }, "126px", "300px"], ["above, at the foot", { left: 300, top: 740, height: 20 }, "694px", "300px"],
  ["within, at the left edge", { left: 2, top: 100, height: 20 }, "126px", "8px"], ["within, at the right edge", { left: 1000, top: 100, height: 20 }, "126px", "916px"],
]) {
  test(`it is placed ${where}`, async (t) => {
    const page = await open(t);
    page.over("#one");
    place(page.$("#hint"), { width: 100, height: 40 }); // the window: 1024 × 768
    place(page.$("#one"), box);
    page.over("#one");
    assert.deepEqual([page.$("#hint").style.top, page.$("#hint").style.left], [top, left]);
  });
}
