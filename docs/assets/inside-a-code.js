// Inside a code: TOTP (RFC 6238) one step at a time, with nothing but WebCrypto.
//
// The first half computes, and you can try it by itself. The second half shows it.
// The key stays in this page: it goes into no address, no storage and no request.

const DEMO_KEY = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"; // RFC 6238, appendix B
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"; // RFC 4648, section 6
const HASHES = { SHA1: "SHA-1", SHA256: "SHA-256", SHA512: "SHA-512" };
const USUAL = { hash: "SHA-1", digits: 6, period: 30 };
const LEAST_BYTES = 14; // PyOTP refuses less
const LAST_SECOND = 253402300799; // of the year 9999

class Refused extends Error {}

// From what was typed to the key

export function readEntry(text) {
  const isAddress = /^\s*otpauth/i.test(text);
  const entry = isAddress ? readAddress(text.trim()) : { ...USUAL, key: decodeKey(text) };
  const bits = entry.key.length * 8;
  if (entry.key.length < LEAST_BYTES) {
    throw new Refused(
      `This key is too short: ${bits} bits. RFC 4226 recommends 160, ` +
        "and our app refuses fewer than 112.",
    );
  }
  return entry;
}

// The address in a QR code: otpauth://totp/Door:admin?secret=...&issuer=Door
function readAddress(text) {
  const [, scheme, type, query] = /^([\w-]+):\/\/(\w*)[^?]*\??(.*)$/.exec(text) ?? [];
  if (/^otpauth-migration$/i.test(scheme)) {
    throw new Refused("This is an export with all keys of an app. Paste the key of one.");
  }
  if (/^hotp$/i.test(type)) {
    throw new Refused("This is HOTP, which counts logins. TOTP counts time.");
  }
  if (!/^totp$/i.test(type)) {
    throw new Refused("An address for TOTP begins with otpauth://totp/");
  }
  const values = new URLSearchParams(query);
  if (!values.get("secret")) throw new Refused("There is no secret in this address.");
  return { ...readSettings(values), key: decodeKey(values.get("secret")) };
}

function readSettings(values) {
  const hash = HASHES[(values.get("algorithm") ?? "SHA1").toUpperCase()];
  const digits = Number(values.get("digits") ?? USUAL.digits);
  const period = Number(values.get("period") ?? USUAL.period);
  if (!hash) throw new Refused("The algorithm has to be SHA1, SHA256 or SHA512.");
  if (digits !== 6 && digits !== 8) throw new Refused("A code has 6 or 8 digits.");
  if (!Number.isInteger(period) || period < 1 || period > 3600) {
    throw new Refused("The period has to be a number of seconds from 1 to 3600.");
  }
  return { hash, digits, period };
}

// A letter of base32 stands for five bits. People write it in groups, or in lower case.
function decodeKey(text) {
  const letters = text.replace(/[\s-]/g, "").replace(/=+$/, "");
  const strange = [...new Set(letters.match(/[^A-Z2-7]/giu))].slice(0, 5);
  if (!letters) throw new Refused("Type or paste a key, or take the demo key.");
  if (strange.length) {
    throw new Refused(
      "A key has only the letters A to Z and the digits 2 to 7 (RFC 4648). " +
        `This one has: ${strange.join(" ")}`,
    );
  }
  if ([1, 3, 6].includes(letters.length % 8)) {
    throw new Refused("The key is not complete: a letter is missing, or too many.");
  }
  const values = Array.from(letters.toUpperCase(), (letter) => BASE32.indexOf(letter));
  const bits = values.map((value) => value.toString(2).padStart(5, "0")).join("");
  return Uint8Array.from(bits.match(/.{8}/g) ?? [], (byte) => parseInt(byte, 2));
}

// From the key to the code

export async function codeAt(entry, timeStep) {
  const counter = counterBytes(timeStep);
  const digest = await hmac(entry, counter);
  return { timeStep, counter, digest, ...truncate(digest, entry.digits) };
}

// RFC 4226, section 5.2: the counter is a number of eight bytes, the highest first.
function counterBytes(timeStep) {
  const counter = new DataView(new ArrayBuffer(8));
  counter.setBigUint64(0, BigInt(timeStep));
  return new Uint8Array(counter.buffer);
}

async function hmac({ key, hash }, message) {
  const algorithm = { name: "HMAC", hash };
  const handle = await crypto.subtle.importKey("raw", key, algorithm, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", handle, message));
}

// RFC 4226, section 5.3, "dynamic truncation": the hash itself says where it is cut.
function truncate(digest, digits) {
  const offset = digest.at(-1) & 0x0f;
  const taken = digest.slice(offset, offset + 4);
  const number = new DataView(taken.buffer).getUint32(0) & 0x7fffffff;
  const code = String(number % 10 ** digits).padStart(digits, "0");
  return { offset, taken, number, code };
}

// How it is written

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));
const inHalves = (code) =>
  `${code.slice(0, code.length / 2)} ${code.slice(code.length / 2)}`;
const plural = (number, thing) => `${number} ${thing}${number === 1 ? "" : "s"}`;

// toFixed alone would round 0.999 up to the next time step.
const cutOff = (number) => (Math.floor(number * 100) / 100).toFixed(2);

function utc(seconds) {
  return new Date(seconds * 1000).toISOString().replace("T", " ").replace(".000Z", " UTC");
}

// The page. What it shows is the state; the clock runs while no time is set by hand.

const state = { entry: null, byHand: null, announced: null, timer: null };
const part = (name) => document.querySelector(`[data-inside="${name}"]`);
const parts = (kind) => document.querySelectorAll(`[data-inside-${kind}]`);

function put(name, text) {
  part(name).textContent = text;
}

function seconds() {
  return state.byHand ?? Math.floor(Date.now() / 1000);
}

async function draw() {
  const { entry } = state;
  const second = seconds();
  const isReady = entry !== null && Number.isInteger(second);
  for (const result of parts("result")) result.hidden = !isReady;
  if (!isReady) return;
  const timeStep = Math.floor(second / entry.period);
  const nearby = [timeStep - 1, timeStep, timeStep + 1];
  const codes = await Promise.all(
    nearby.map((near) => (near < 0 ? null : codeAt(entry, near))),
  );
  if (entry !== state.entry || second !== seconds()) return; // overtaken by a newer one
  showCodes(entry, codes, entry.period - (second % entry.period));
  showWay(entry, codes[1], second);
}

function showCodes({ period }, [before, now, next], left) {
  put("before", before ? inHalves(before.code) : "none");
  put("now", inHalves(now.code));
  put("next", inHalves(next.code));
  put("left", plural(left, "second"));
  part("bar").max = period;
  part("bar").value = left;
  announce(now.code);
}

// Once for each code, digit by digit, and only if the reader wants it.
function announce(code) {
  const isNew = code !== state.announced;
  state.announced = code;
  if (!part("announce").checked) put("announcement", "");
  else if (isNew) put("announcement", `New code: ${[...code].join(" ")}`);
}

function showWay({ key, hash, digits, period }, now, second) {
  put("settings", `${hash}, ${digits} digits, a new code every ${plural(period, "second")}`);
  put("key-size", `${key.length} bytes, ${key.length * 8} bits`);
  put("key-bytes", hex(key).join(" "));
  put("utc", utc(second));
  put("division", `${second} / ${period} = ${cutOff(second / period)}`);
  put("time-step", now.timeStep);
  put("counter", hex(now.counter).join(" "));
  put("hash", `HMAC-${hash}`);
  showDigest(now);
  showCut(now, digits);
}

function showDigest({ digest, offset }) {
  const all = hex(digest);
  const boxes = all.map((byte, place) => {
    const box = document.createElement("span");
    box.textContent = byte;
    box.classList.toggle("taken", place >= offset && place < offset + 4);
    return box;
  });
  const nibble = document.createElement("b");
  nibble.textContent = all.at(-1)[1];
  boxes.at(-1).replaceChildren(all.at(-1)[0], nibble);
  part("digest").replaceChildren(...boxes);
  part("digest").setAttribute("aria-label", `${all.length} bytes: ${all.join(" ")}`);
}

function showCut({ digest, offset, taken, number, code }, digits) {
  put("last-byte", hex(digest).at(-1));
  put("nibble", offset.toString(16));
  put("offset", offset);
  put("taken", hex(taken).join(" "));
  put("masked", hex([taken[0] & 0x7f, ...taken.slice(1)]).join(" "));
  put("number", number);
  put("modulo", `${number} mod ${10 ** digits}`);
  put("code", inHalves(code));
}

// What the reader does

// Who is still typing is not told that the key is too short; who pasted it is.
function readKey(event) {
  const isTyping = event?.inputType === "insertText";
  let refusal = "";
  state.entry = null;
  try {
    state.entry = readEntry(part("key").value);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    refusal = error.message;
  }
  part("key").setAttribute("aria-invalid", refusal !== "" && !isTyping);
  put("key-refused", isTyping ? "" : refusal);
  draw();
}

function takeKey(key) {
  part("key").value = key;
  readKey();
}

function readTime() {
  const text = part("seconds").value;
  const second = text === "" ? NaN : Number(text);
  const isGood = Number.isInteger(second) && second >= 0 && second <= LAST_SECOND;
  part("seconds").setAttribute("aria-invalid", !isGood);
  put("time-refused", isGood ? "" : `Use a whole number from 0 to ${LAST_SECOND}.`);
  setClock(isGood ? second : NaN);
}

// Takes null for the clock of this device.
function setClock(second) {
  state.byHand = second;
  put("stop", second === null ? "Stop the clock" : "Let the clock run");
  draw();
}

function showTime(second) {
  part("seconds").value = second;
  readTime();
}

function move(direction) {
  const period = state.entry?.period ?? USUAL.period;
  const from = seconds() || 0;
  showTime(Math.min(Math.max(from + direction * period, 0), LAST_SECOND));
}

function stopOrRun() {
  if (state.byHand === null) return showTime(seconds());
  showTime(Math.floor(Date.now() / 1000));
  setClock(null);
}

function tick() {
  if (!part("key")) return; // another page has taken the place of ours
  if (state.byHand === null) {
    if (document.activeElement !== part("seconds")) part("seconds").value = seconds();
    draw();
  }
  state.timer = setTimeout(tick, 1000 - (Date.now() % 1000));
}

function listen() {
  part("key").addEventListener("input", readKey);
  part("key").addEventListener("change", readKey);
  part("demo").addEventListener("click", () => takeKey(DEMO_KEY));
  part("forget").addEventListener("click", () => takeKey(""));
  part("seconds").addEventListener("input", readTime);
  part("back").addEventListener("click", () => move(-1));
  part("on").addEventListener("click", () => move(+1));
  part("stop").addEventListener("click", stopOrRun);
  window.addEventListener("pagehide", () => part("key") && takeKey(""));
}

function start() {
  if (!part("off") || part("off").hidden) return; // another page, or started already
  if (!window.crypto?.subtle) {
    put("off", part("off").dataset.insecure);
    return;
  }
  part("off").hidden = true;
  for (const control of parts("control")) control.hidden = false;
  Object.assign(state, { byHand: null, announced: null });
  listen();
  takeKey(DEMO_KEY);
  clearTimeout(state.timer);
  tick();
}

// The theme can swap pages without loading them, and tells so.
if (window.document$) window.document$.subscribe(start);
else start();
