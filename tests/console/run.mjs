// Clicks through the console of a running server:
//
//   node run.mjs URL KEY EMPTY_URL
//
// URL serves the database that tests/it/server/console.rs makes (of `tastedb demo`, with a model `walk` by lightgcn
// and two that were not trained, `slow` and `endless`, whose curve grows until it is stopped) to the owner of KEY, an
// admin. EMPTY_URL serves an empty database without accounts. Exits with 1 at the first step that fails.

import assert from "node:assert/strict";
import { accessible, field, fill, launch, open, press, says, settled, text, texts, view } from "./page.mjs";

const [url, key, empty] = process.argv.slice(2);
const SLATE = "section[aria-labelledby=slate] tbody tr";
const HISTORY = "section[aria-labelledby=history] tbody tr";
const keys = (page) => texts(page, `${SLATE} th`);

const steps = {
  async "a stranger is asked for a key, and a wrong one is refused"(page) {
    await says(page, "Sign in");
    await fill(page, "API key", "tdb_wrong");
    await press(page, "Sign in");
    await says(page, "not right", ".failure");
    await fill(page, "API key", key);
    await page.keyboard.press("Enter");
    await says(page, "movies");
    assert.equal(await page.evaluate(() => localStorage.length + document.cookie.length), 0, "the key is kept");
  },

  async "tables tell their sizes, columns and rows"(page) {
    await view(page, "#/tables");
    const rows = await texts(page, "tbody tr");
    assert.ok(rows.some((row) => /movies\s+items\s+500/.test(row)), rows.join("\n"));
    await press(page, "movies");
    await says(page, "VECTOR(32)");
    await says(page, "Rows 1 to 50 of 500");
    await press(page, "Next");
    await says(page, "Rows 51 to 100 of 500");
    await press(page, "Previous");
    await says(page, "Rows 1 to 50 of 500");
    await view(page, "#/tables/ratings");
    await says(page, "a key of people");
    await press(page, "Next");
    await says(page, "Rows 51 to 100 of");
    await view(page, "#/tables/nothing");
    await says(page, "TD0201", ".failure");
  },

  async "a user is found by typing, and gets a slate with reasons"(page) {
    await view(page, "#/recommend");
    await fill(page, "User in people", "u12");
    await page.waitForSelector("[role=option]");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.waitForSelector(SLATE);
    assert.equal((await keys(page)).length, 10);
    const first = await text(page, SLATE);
    assert.match(first, /\d\.\d{4}/, "a score");
    assert.match(first, /taste/, "a source");
    assert.match(first, /\d+ %/, "a reason");
    await says(page, "History of u12");
    await page.waitForSelector(HISTORY);
    assert.ok((await texts(page, HISTORY)).length > 5);
    assert.match(page.url(), /user=u12/, "the view can be linked");
  },

  async "a filter holds for every row, and a wrong one is shown at its place"(page) {
    await fill(page, "Where", "year > 2000");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => location.hash.includes("where"));
    await settled(page);
    const years = (await texts(page, `${SLATE} td.extra`)).filter((t) => /^\d{4}$/.test(t)).map(Number);
    assert.ok(years.length === 10 && years.every((year) => year > 2000), String(years));
    await fill(page, "Where", "yaer > 2000");
    await page.keyboard.press("Enter");
    await says(page, "TD0202", ".failure");
    assert.match(await text(page, ".caret"), /yaer > 2000\n\s*\^{4}/);
    await fill(page, "Where", " ");
    await page.keyboard.press("Enter");
    await page.waitForSelector(SLATE);
  },

  async "a recorded click changes the slate at once, and can be taken back"(page) {
    await view(page, "#/recommend?events=ratings&user=u12");
    await page.waitForSelector(HISTORY);
    await page.waitForSelector(SLATE);
    await settled(page);
    const before = await keys(page);
    const seen = (await texts(page, `${HISTORY} th`)).length;
    await press(page, `Record a click on ${before[0]}`);
    await says(page, `A click on ${before[0]} is recorded`);
    await settled(page);
    const after = await keys(page);
    assert.ok(!after.includes(before[0]), "what was clicked is not recommended again");
    assert.notDeepEqual(after, before);
    assert.ok(await page.$(".move.up"), "what moved is marked");
    const history = await texts(page, `${HISTORY} th`);
    assert.equal(history.length, seen + 1);
    assert.equal(history[0], before[0], "the click is the latest of the history");
    await press(page, "Take it back");
    await page.waitForFunction((n) => document.querySelectorAll("section[aria-labelledby=history] tbody tr").length === n, {}, seen);
    await settled(page);
    assert.deepEqual(await keys(page), before);
  },

  async "what was typed counts when the button is pressed, and the browser goes back"(page) {
    await fill(page, "User in people", "u30");
    await fill(page, "Rows", "7");
    await press(page, "Recommend");
    await says(page, "Slate for u30");
    await page.waitForFunction((rows) => document.querySelectorAll(rows).length === 7, {}, SLATE);
    await page.goBack();
    await page.waitForFunction((rows) => document.querySelectorAll(rows).length === 10, {}, SLATE);
    await page.goBack();
    await says(page, "Slate for u12");
    assert.equal(await (await field(page, "User in people")).evaluate((input) => input.value), "u12");
    await settled(page);
  },

  async "another model answers otherwise"(page) {
    const before = await keys(page);
    const model = await field(page, "Model");
    await model.select("popular");
    await says(page, "popular", `${SLATE}`);
    assert.notDeepEqual(await keys(page), before);
  },

  async "an item leads to what is similar to it"(page) {
    await view(page, "#/recommend?events=ratings&user=u12");
    const [first] = await keys(page);
    await page.click(`${SLATE} th a`);
    await says(page, `Similar to ${first}`);
    await page.waitForSelector("section[aria-labelledby=near] tbody tr");
    const near = await texts(page, "section[aria-labelledby=near] tbody th");
    assert.equal(near.length, 20);
    assert.ok(!near.includes(first));
  },

  async "a training tells how far it is, and makes a version"(page) {
    await view(page, "#/models/walk");
    await says(page, "Training curve");
    assert.ok(await page.$("svg[role=img][aria-label*='recall@20 from']"), "the curve has a text");
    const version = async () => Number((await text(page, ".facts")).match(/Version\s+(\d+)/)[1]);
    const before = await version();
    await press(page, "Train");
    await page.waitForSelector(".job progress[max]");
    await says(page, "done", ".job .state");
    await settled(page);
    await page.waitForFunction((n) => document.querySelector(".facts").innerText.match(/Version\s+(\d+)/)[1] > n, {}, before);
    assert.equal(await version(), before + 1);
    await view(page, "#/models/taste");
    await press(page, "Refresh");
    await page.waitForFunction(() => [...document.querySelectorAll(".job code")].some((c) => /^REFRESH/.test(c.innerText)));
    await says(page, "done", ".job .state");
  },

  async "a curve grows while its model trains"(page) {
    await view(page, "#/models/endless");
    await press(page, "Train");
    const told = ".job svg[aria-label*='so far: recall@20 from']";
    await page.waitForSelector(told);
    const before = await page.$eval(told, (curve) => curve.ariaLabel);
    await page.waitForFunction((told, before) => document.querySelector(told)?.ariaLabel !== before, {}, told, before);
    assert.equal((await page.$$(".job svg[role=img]")).length, 2, "recall and loss");
    assert.deepEqual(await accessible(page), []);
    await press(page, "Cancel");
    await says(page, "cancelled", ".job .state");
  },

  async "a training is cancelled"(page) {
    await view(page, "#/models/slow");
    await says(page, "has not been trained");
    await press(page, "Train");
    await press(page, "Cancel");
    await says(page, "cancelled", ".job .state");
    await says(page, "has not been trained");
  },

  async "models are measured side by side"(page) {
    await view(page, "#/models");
    await says(page, "Training curves");
    await press(page, "Measure");
    await says(page, "Measured:");
    const rows = await texts(page, "section[aria-labelledby=measure] tbody tr");
    assert.ok(rows.some((row) => /^taste.*0\.\d{4}/s.test(row)) && rows.some((row) => /^popular.*0\.\d{4}/s.test(row)), rows.join("\n"));
    await press(page, "Settings side by side");
    await says(page, "lambda");
  },

  async "embeddings are drawn, coloured, moved and chosen"(page) {
    await view(page, "#/map?table=movies&column=text&color=genres");
    await page.waitForSelector("canvas");
    await settled(page);
    const drawn = () =>
      page.$eval("canvas", (canvas) => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let [inked, hash] = [0, 0];
        for (let n = 3; n < data.length; n += 4) if (data[n]) (inked += 1), (hash = (hash * 31 + n) | 0);
        return { inked, hash };
      });
    await page.waitForFunction(() => document.querySelector("canvas").width > 300);
    const before = await drawn();
    assert.ok(before.inked > 2000, `${before.inked} pixels are drawn`);
    await page.focus("canvas");
    await page.keyboard.press("+");
    await page.keyboard.press("ArrowLeft");
    await settled(page);
    assert.notEqual((await drawn()).hash, before.hash, "zoom and move by keys");
    assert.match(await text(page, ".legend"), /Space/);
    await fill(page, "Find", "m12");
    await page.keyboard.press("Enter");
    await says(page, "Similar items", ".picked");
    const colour = await field(page, "Colour");
    await colour.select("year");
    await page.waitForSelector(".ramp");
  },

  async "statements run by Ctrl+Enter, and a mistake is shown at its place"(page) {
    await view(page, "#/sql");
    const run = async () => {
      await page.keyboard.down("Control");
      await page.keyboard.press("Enter");
      await page.keyboard.up("Control");
    };
    await fill(page, "Statements", "SELECT id, title FROM movies ORDER BY id LIMIT 3;\nSHOW MODELS;");
    await run();
    await page.waitForSelector(".result:nth-of-type(2) table");
    assert.deepEqual((await texts(page, ".result td")).slice(0, 1), ["m1"]);
    await fill(page, "Statements", "SELECT 'é€😀',\n  yaer FROM movies;");
    await run();
    await says(page, "TD0202", ".failure");
    assert.match(await text(page, ".caret"), /2\s+yaer FROM movies;\n\s*\^{4}/);
    const chosen = await page.$eval("#sql", (box) => box.value.slice(box.selectionStart, box.selectionEnd));
    assert.equal(chosen, "yaer", "the mistake is selected");
    await says(page, "2 statements run in this tab");
  },

  async "what stands in a row is text, whatever it looks like"(page) {
    await view(page, "#/sql");
    await fill(page, "Statements", "SELECT '<img src=x onerror=alert(1)>' AS title;");
    await page.keyboard.down("Control");
    await page.keyboard.press("Enter");
    await page.keyboard.up("Control");
    await says(page, "<img src=x", ".result td");
    assert.equal(await page.$("main img"), null);
  },

  async "somebody is forgotten, with a ticket and a receipt"(page) {
    await view(page, "#/forget");
    await fill(page, "Key", "u111");
    await press(page, "Forget …");
    await says(page, "cannot be undone", "dialog");
    await press(page, "Keep it");
    await page.waitForSelector("dialog", { hidden: true });
    await press(page, "Forget …");
    await press(page, "Forget u111");
    await says(page, "The ticket is");
    const ticket = (await text(page, ".told code")).trim();
    await says(page, ticket, "section[aria-labelledby=tickets] tbody th");
    await press(page, "Vacuum now");
    await says(page, "done", "section[aria-labelledby=vacuum] .state");
    await page.waitForFunction(() => /unlearned/.test(document.querySelector(".steps").innerText) && document.querySelectorAll(".steps:first-of-type li.reached").length >= 3);
    await press(page, `Verify ${ticket}`);
    await page.waitForSelector(".receipt tbody tr");
    const checks = await texts(page, ".receipt tbody tr");
    assert.ok(checks.length > 3 && checks.every((row) => !row.includes("not passed")), checks.join("\n"));
    await says(page, `for ${ticket}`, "section[aria-labelledby=receipts]");
    await fill(page, "Key", "u111");
    await page.keyboard.press("Enter");
    await press(page, "Forget …");
    await says(page, "no such row", ".failure");
  },

  async "requests and their latencies are told as they come"(page) {
    await view(page, "#/activity");
    await page.evaluate(async (key) => {
      for (let n = 0; n < 40; n += 1) await fetch("/v1/tables", { headers: { authorization: `Bearer ${key}` } });
    }, key);
    await page.waitForFunction(() => [...document.querySelectorAll("section[aria-labelledby=routes] tr")].some((row) => /^\/v1\/tables\s+\d+\.?\d*\s+[\d.]+ (µs|ms)/.test(row.innerText)));
    await page.waitForSelector("svg[role=img][aria-label^='now p50']");
    await says(page, "TRAIN MODEL", "section[aria-labelledby=jobs]");
  },

  async "everything can be reached by the keyboard"(page) {
    await view(page, "#/tables");
    await page.reload();
    await settled(page);
    await page.keyboard.press("Tab");
    assert.match(await page.evaluate(() => document.activeElement.innerText), /Skip/);
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.tagName), "H1");
    // Back to the navigation, then to Recommend, to the user, to the first button of the slate.
    await tabTo(page, "Recommend", true);
    await page.keyboard.press("Enter");
    await says(page, "Choose a user");
    assert.equal(await page.evaluate(() => document.activeElement.tagName), "H1", "a view begins at its heading");
    await tabTo(page, "User in people");
    await page.keyboard.type("u20");
    await page.waitForSelector("[role=option]");
    await page.keyboard.press("ArrowDown");
    assert.ok(await page.$("[role=combobox][aria-activedescendant]"));
    await page.keyboard.press("Enter");
    await page.waitForSelector(SLATE);
    await tabTo(page, /^Record a click on/);
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.notEqual(outline, "none", "where the keyboard is can be seen");
    await page.keyboard.press("Enter");
    await says(page, "is recorded");
    await says(page, "of the slate changed", "[role=status]");
  },

  async "every view is accessible, in light and dark, wide and narrow"(page) {
    const views = ["tables", "tables/movies", "models", "models/walk", "models/slow", "recommend?user=u12", "recommend?user=u12&where=yaer", "similar?item=m1", "map", "map?color=year", "sql", "forget", "activity", "nothing"];
    const wrong = [];
    for (const [scheme, width] of [["light", 1280], ["dark", 1280], ["light", 390]]) {
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      await page.setViewport({ width, height: 844 });
      for (const one of views) {
        await view(page, `#/${one}`);
        for (const finding of await accessible(page)) wrong.push(`${one} (${scheme}, ${width}): ${finding}`);
        const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (wider > 0) wrong.push(`${one} (${scheme}, ${width}): wider than the screen by ${wider}`);
      }
      const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const bright = Number(paper.match(/\d+/)[0]) > 128;
      if (bright !== (scheme === "light")) wrong.push(`the page is ${paper} where ${scheme} is asked for`);
    }
    assert.deepEqual(wrong, []);
  },

  async "the key is forgotten by signing out"(page) {
    await page.setViewport({ width: 1280, height: 900 });
    await press(page, "Sign out");
    await says(page, "API key");
    assert.equal(await page.evaluate(() => sessionStorage.getItem("tastedb.key")), null);
  },
};

const begin = {
  async "an empty database says how to begin"(page) {
    await says(page, "no tables yet");
    assert.deepEqual(await accessible(page), []);
    await press(page, "Put them into the SQL box");
    await press(page, "Run");
    await says(page, "TRAIN MODEL", ".result");
    await view(page, "#/tables");
    await says(page, "movies", "tbody");
    await view(page, "#/recommend?user=dee");
    await page.waitForSelector(SLATE);
    assert.equal((await keys(page))[0], "m4");
  },
};

/** Presses Tab until what has the focus is called so. */
async function tabTo(page, name, back = false) {
  const called = () =>
    page.evaluate(() => {
      const element = document.activeElement;
      return element.ariaLabel ?? element.labels?.[0]?.innerText ?? element.innerText ?? "";
    });
  for (let n = 0; n < 80; n += 1) {
    if (back) await page.keyboard.down("Shift");
    await page.keyboard.press("Tab");
    if (back) await page.keyboard.up("Shift");
    const now = (await called()).trim();
    if (name instanceof RegExp ? name.test(now) : now === name) return;
  }
  throw new Error(`Tab does not lead to ${name}`);
}

async function all(browser, base, steps) {
  const page = await open(browser, base);
  for (const [name, step] of Object.entries(steps)) {
    const began = performance.now();
    try {
      await step(page);
      assert.deepEqual(page.seen.errors, [], "the page reports errors");
    } catch (error) {
      console.error(`FAILED ${name}\n${error.stack}\nat ${page.url()}\n${(await text(page, "body")).slice(0, 1500)}`);
      if (process.env.SHOT) await page.screenshot({ path: process.env.SHOT, fullPage: true });
      return false;
    }
    console.log(`ok     ${name} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
  }
  assert.deepEqual([...page.seen.hosts], [new URL(base).host], "the page asks nobody but its server");
  console.log("ok     nobody but the server was asked");
  return true;
}

const browser = await launch();
const passed = (await all(browser, url, steps)) && (await all(browser, empty, begin));
await browser.close();
process.exit(passed ? 0 : 1);
