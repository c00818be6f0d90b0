import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage } from "./page.js";

const day = (drawn, more = "") => `<div class="timeline" data-drawn="${drawn}" ${more}><time data-time="now"></time></div>`;
const drift = (page) => page.$(".timeline").style.getPropertyValue("--drift");
const open = (t, html) => openPage(t, html, { scripts: ["timeline"] });

test("the day has moved on since it was drawn, and names the moment", async (t) => {
  const page = await open(t, day("2026-03-04T11:45:36Z"));
  assert.equal(drift(page), "1.0000%");
  assert.equal(page.$("time").dateTime, "2026-03-04T12:00:00.000Z");
});

test("it moves every two seconds", async (t) => {
  const page = await open(t, day("2026-03-04T12:00:00Z"));
  page.tick(2000);
  assert.equal(drift(page), "0.0023%");
  page.tick(862_000);
  assert.equal(drift(page), "1.0000%");
});

test("it moves at once when the page is seen again", async (t) => {
  const page = await open(t, day("2026-03-04T12:00:00Z"));
  page.$(".timeline").style.setProperty("--drift", "9%");
  page.fire(page.document, "visibilitychange");
  assert.equal(drift(page), "0.0000%");
});

test("a day that is drawn anew is moved with the next frame", async (t) => {
  const page = await open(t, day("2026-03-04T12:00:00Z"));
  page.$(".timeline").dataset.drawn = "2026-03-04T11:45:36Z";
  await page.draw();
  assert.equal(drift(page), "1.0000%");
});

test("an example's stands still, one without a moment too", async (t) => {
  const page = await open(t, `<div data-still>${day("2026-03-04T11:00:00Z")}</div>`);
  assert.equal(drift(page), "");
  page.document.body.innerHTML = day("soon");
  await page.draw();
  assert.equal(drift(page), "");
});

test("a day without a mark for now moves", async (t) => {
  const page = await open(t, `<div class="timeline" data-drawn="2026-03-04T11:45:36Z"></div>`);
  assert.equal(drift(page), "1.0000%");
});
