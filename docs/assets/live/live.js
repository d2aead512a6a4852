// The page Try it here. What runs is the app of a step; this is what stands around it.
import { BRIDGE } from "./bridge.js";
import { Phone } from "./phone.js";
import { loadStep, Sandbox, Stopped } from "./sandbox.js";
import { Said } from "./said.js";
import { Scenario } from "./scenario.js";
import { Workshop } from "./workshop.js";

const HOST = "http://127.0.0.1:5000";
const FIRST_WITH_DATABASE = "04";
const FIRST_WITH_MAIL = "05";
const TOLD_APART = ["you", "thief"];
const WHOSE = { you: "You", thief: "The thief" };

const part = (name) => document.querySelector(`[data-live="${name}"]`);
const clocks = { server: 0, phone: 0 };
const state = { number: null, sandbox: null, step: null, busy: false, who: "you" };
let browsers = {};

const seconds = (clock) => Math.floor(Date.now() / 1000) + clocks[clock];
const announce = (text) => void (part("status").textContent = text);
const asTime = (second) => new Date(second * 1000).toISOString().slice(11, 19);

const said = new Said(part("log"));
const phone = new Phone({
  list: part("accounts"),
  announce,
  now: () => seconds("phone"),
  type: (text) => typeInto("code", text),
});
const workshop = new Workshop({ part, announce, ask, restart, loadSuite, working });
const scenario = new Scenario({ part, workshop });

function ask(task, words) {
  return state.sandbox.ask(task, words);
}

// Starting and stopping

async function start(number) {
  stop();
  state.number = number;
  working(true, "Loading Python…");
  const began = performance.now();
  const sandbox = new Sandbox({ printed: (line) => said.printed(line), tested: (result) => workshop.tested(result) });
  state.sandbox = sandbox;
  part("stop").hidden = false;
  try {
    state.step = await loadStep(number);
    const { laps, files } = await sandbox.start(state.step);
    part("live").dataset.laps = JSON.stringify(laps);
    await furnish(files);
    const took = ((performance.now() - began) / 1000).toFixed(1);
    announce(`Step ${number} runs. Its first page took ${took} seconds.`);
    part("live").dataset.ready = number;
  } catch (error) {
    if (state.sandbox !== sandbox) return; // started again meanwhile
    failed(error);
  } finally {
    if (state.sandbox === sandbox) working(false);
  }
}

function failed(error) {
  stop();
  announce(
    error instanceof Stopped
      ? "Stopped."
      : `This did not start: ${error.message} At home, python3 tutorial.py run ${state.number} starts the same app.`,
  );
}

function stop() {
  delete part("live").dataset.ready;
  state.sandbox?.stop();
  state.sandbox = null;
  state.busy = false;
  for (const name of ["desk", "said", "change", "check"]) part(name).hidden = true;
  part("stop").hidden = true;
  part("start").disabled = false;
}

// Puts everything on the desk as it is on the first morning.
async function furnish(files) {
  Object.assign(clocks, { server: 0, phone: 0 });
  browsers = Object.fromEntries(TOLD_APART.map((who) => [who, { address: "/", trail: [], html: "" }]));
  state.who = "you";
  document.querySelector('[name="live-browser"][value="you"]').checked = true;
  part("mail").hidden = state.number < FIRST_WITH_MAIL;
  part("workers-label").hidden = state.number < FIRST_WITH_DATABASE;
  part("workers").checked = false;
  part("emails").replaceChildren();
  part("loot").replaceChildren();
  said.clear();
  phone.reset(state.number);
  await workshop.open(state.number, state.step, files);
  await visit("GET", "/");
  for (const name of ["desk", "said", "change", "check"]) part(name).hidden = false;
  await scenario.begin();
}

function working(isBusy, words) {
  state.busy = isBusy;
  part("start").disabled = isBusy;
  part("live").toggleAttribute("data-busy", isBusy);
  if (words) announce(words);
}

async function restart(words = "The server was started again.") {
  if (state.busy) return;
  working(true, "The server starts…");
  try {
    receive(await ask("restart", { workers: part("workers").checked ? 2 : 1 }));
    said.note(words);
    announce(words);
  } catch (error) {
    complain(error);
  } finally {
    if (state.sandbox) working(false);
  }
}

// What an app says that cannot start, or a page that fails, is in the traceback's end.
function complain(error) {
  if (error instanceof Stopped) return;
  said.printed(error.message);
  announce(`Python says: ${error.message.trim().split("\n").at(-1)}`);
}

// In the editor the reader is not far from the tests, and beside them very near. Whoever
// runs one is told if they don't load.
function expectTests({ currentTarget }) {
  const { sandbox, step } = state;
  if (!part("live").dataset.ready) return;
  const coming = currentTarget === part("check") ? sandbox.loadSuite(step) : sandbox.fetchSuite(step);
  coming.catch(() => {});
}

function loadSuite() {
  if (!state.sandbox.suite) announce("Loading the tests…");
  return state.sandbox.loadSuite(state.step);
}

// The browsers

async function visit(method, address, body = null) {
  if (state.busy && part("live").dataset.ready) return;
  const { who, sandbox } = state;
  const wasBusy = state.busy;
  state.busy = true;
  part("frame").setAttribute("aria-busy", "true");
  try {
    const page = await ask("visit", { browser: who, method, address, body });
    receive(page.emails);
    for (const exchange of page.exchanges) said.exchange(exchange, WHOSE[who]);
    const browser = browsers[who];
    Object.assign(browser, { address: page.address, html: page.html });
    if (browser.trail.at(-1) !== page.address) browser.trail.push(page.address);
    if (who === "you") phone.look(page.html);
    if (state.who === who) show();
  } catch (error) {
    if (state.sandbox === sandbox) complain(error);
  } finally {
    if (state.sandbox === sandbox) state.busy = wasBusy;
    part("frame").removeAttribute("aria-busy");
  }
}

// A new frame each time: a changed srcdoc would be a step more for the Back button.
function show() {
  const { address, html } = browsers[state.who];
  part("address").value = HOST + address;
  const frame = part("frame").cloneNode();
  frame.removeAttribute("aria-busy");
  frame.title = state.who === "you" ? "The app" : "The app, in the thief's browser";
  frame.srcdoc = html.replace("/*bridge*/", () => BRIDGE);
  part("frame").replaceWith(frame);
  part("live").dataset.pages = Number(part("live").dataset.pages ?? 0) + 1;
}

function follow({ source, data }) {
  if (source !== part("frame").contentWindow || typeof data?.href !== "string") return;
  if (data.href.startsWith("otpauth:")) return phone.scan(data.href);
  const url = new URL(data.href, HOST + browsers[state.who].address);
  if (url.origin !== HOST) return announce(`${url} is not in this page.`);
  if (data.method === "GET" && data.fields !== undefined) url.search = data.fields;
  visit(data.method, url.pathname + url.search, data.method === "GET" ? null : (data.fields ?? ""));
}

async function goTo(who) {
  if (state.who === who) return;
  state.who = who;
  document.querySelector(`[name="live-browser"][value="${who}"]`).checked = true;
  if (browsers[who].html) show();
  else await visit("GET", "/");
}

function typeInto(field, text) {
  part("frame").contentWindow.postMessage({ field, text }, "*");
}

// The mailbox

function receive(emails) {
  for (const email of emails) {
    const [head, ...body] = email.split("\n\n");
    const [, to, subject] = /^To: (.*)\nSubject: (.*)$/.exec(head) ?? [null, "", head];
    part("emails").prepend(emailItem(to, subject, body.join("\n\n")));
    announce(`An email arrived: ${subject}`);
  }
}

function emailItem(to, subject, body) {
  const item = document.createElement("li");
  const title = document.createElement("strong");
  const text = document.createElement("p");
  title.textContent = subject;
  for (const words of body.split(/(http:\/\/127\.0\.0\.1:5000\S*)/)) {
    text.append(words.startsWith(HOST) ? emailLink(words) : words);
  }
  item.append(title, ` to ${to}`, text);
  const code = /^(\d{4} ?\d{4})$/m.exec(body)?.[1];
  if (code) item.append(button("Type its code", () => typeInto("email_code", code)));
  return item;
}

function emailLink(address) {
  return button("Open the link", () => {
    const url = new URL(address);
    visit("GET", url.pathname + url.search);
  });
}

function button(words, act) {
  const element = document.createElement("button");
  Object.assign(element, { type: "button", textContent: words });
  element.addEventListener("click", act);
  return element;
}

// The thief

function loot(words, ...more) {
  const item = document.createElement("li");
  item.append(words, ...more);
  part("loot").prepend(item);
}

function givePassword() {
  const { username, password } = said.lastLogin;
  loot(`${username} has the password ${password} `, button("Type both", () => {
    typeInto("username", username);
    typeInto("password", password);
  }));
  goTo("thief");
}

function giveCode() {
  const shown = said.lastCode ?? phone.accounts[0]?.shown;
  if (!shown) return announce("There is no code to film yet.");
  loot(`a code, filmed at ${asTime(seconds("phone"))}: ${shown} `, button("Type it", () => typeInto("code", shown)));
  goTo("thief");
}

async function giveCookie() {
  await ask("copyCookies", { from: "you", to: "thief" });
  loot("your cookies as they are now; the browser of the thief has them");
  browsers.thief.html = "";
  if (state.who === "thief") visit("GET", "/");
  else goTo("thief");
}

// The clocks

async function move(which, by) {
  for (const clock of which === "both" ? ["server", "phone"] : [which]) clocks[clock] += by;
  drawClocks();
  await ask("clock", { seconds: clocks.server });
}

function drawClocks() {
  for (const clock of ["server", "phone"]) {
    const off = clocks[clock];
    const sign = off > 0 ? "+" : "−";
    part(`${clock}-time`).textContent = asTime(seconds(clock)) + (off ? ` (${sign}${Math.abs(off)} s)` : "");
  }
  phone.draw();
}

function listen() {
  part("start-form").addEventListener("submit", (event) => {
    event.preventDefault();
    start(part("step").value);
  });
  part("step").addEventListener("change", nameStart);
  part("stop").addEventListener("click", () => (stop(), announce("Stopped.")));
  part("bar").addEventListener("submit", (event) => {
    event.preventDefault();
    const url = new URL(part("address").value, HOST);
    if (url.origin === HOST) visit("GET", url.pathname + url.search);
    else announce(`${url.origin} is not in this page.`);
  });
  part("back").addEventListener("click", () => {
    const { trail } = browsers[state.who];
    if (trail.length > 1) visit("GET", (trail.pop(), trail.pop()));
  });
  part("reload").addEventListener("click", () => visit("GET", browsers[state.who].address));
  for (const radio of document.querySelectorAll('[name="live-browser"]')) {
    radio.addEventListener("change", () => goTo(radio.value));
  }
  for (const mover of document.querySelectorAll("[data-move]")) {
    mover.addEventListener("click", () => move(mover.dataset.move, Number(mover.dataset.by)));
  }
  part("now").addEventListener("click", () => {
    clocks.phone = 0;
    move("server", -clocks.server);
  });
  part("give-password").addEventListener("click", givePassword);
  part("give-code").addEventListener("click", giveCode);
  part("give-cookie").addEventListener("click", giveCookie);
  part("restart").addEventListener("click", () => restart());
  for (const name of ["change", "check"]) part(name).addEventListener("focusin", expectTests);
  part("workers").addEventListener("change", () => restart(part("workers").checked ? "Two workers take turns." : "One worker answers."));
  addEventListener("message", follow);
  setInterval(() => part("desk").hidden || drawClocks(), 1000);
}

// The button says what it loads, because nothing is loaded before it is pressed.
function nameStart() {
  const { value, selectedOptions } = part("step");
  part("start").textContent = `Start step ${value} (${selectedOptions[0].dataset.megabytes} MB)`;
}

async function open() {
  const query = new URLSearchParams(location.search);
  const wanted = query.get("step");
  if ([...part("step").options].some(({ value }) => value === wanted)) part("step").value = wanted;
  document.documentElement.classList.toggle("live-beside", query.has("beside"));
  nameStart();
  await scenario.find(query);
  listen();
  part("off").hidden = true;
  part("live").hidden = false;
}

const canRun = typeof WebAssembly === "object" && "DecompressionStream" in self && HTMLScriptElement.supports?.("importmap") !== undefined;
if (!canRun) part("off").prepend(`${part("off").dataset.old} `);
else if (part("live")) open();
