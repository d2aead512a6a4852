// What was said: each request and its response, in words that a learner can read.

const HIDDEN = new Set(["csrf_token"]);

function line(className, ...words) {
  const element = document.createElement("div");
  element.className = className;
  element.append(...words);
  return element;
}

function strong(words) {
  return Object.assign(document.createElement("strong"), { textContent: words });
}

// A cookie's value is long and says nothing: its name and its flags are the lesson.
function cookieWords(header) {
  const [pair, ...flags] = header.split(/; */);
  const [name, value] = [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
  const shown = value.length > 12 ? `${value.slice(0, 8)}…` : value || "(nothing)";
  return `Set-Cookie: ${name}=${shown}; ${flags.join("; ")}`;
}

export class Said {
  constructor(list) {
    this.list = list;
    this.clear();
  }

  clear() {
    this.list.replaceChildren();
    this.lastLogin = { username: "admin", password: "password" };
    this.lastCode = null;
  }

  add(className, ...lines) {
    const item = document.createElement("li");
    item.className = className;
    item.append(...lines);
    this.list.append(item);
    this.list.scrollTop = this.list.scrollHeight;
  }

  note(words) {
    this.add("live-note", words);
  }

  printed(words) {
    if (words.trim()) this.add("live-printed", words);
  }

  exchange({ method, address, body, cookie, status, headers, worker, workers }, who) {
    const values = [...new URLSearchParams(body)].filter(([name]) => !HIDDEN.has(name));
    if (who === "You") this.remember(Object.fromEntries(values), address);
    const lines = [line("live-request", strong(method), ` ${address}`)];
    if (values.length) lines.push(line("live-fields", values.map((pair) => pair.join(" = ")).join(", ")));
    if (cookie) lines.push(line("live-sent", `Cookie: ${cookie.split("; ").map((pair) => pair.split("=")[0]).join(", ")}`));
    lines.push(line("live-response", strong(status), workers > 1 ? ` from worker ${worker}` : ""));
    for (const [name, value] of headers) {
      if (name === "Set-Cookie") lines.push(line("live-cookie", cookieWords(value)));
      if (name === "Location") lines.push(line("live-location", `Location: ${value}`));
    }
    this.add("live-exchange", line("live-who", who), ...lines);
  }

  // What the thief could have seen.
  remember({ username, password, code }, address) {
    if (username && password) this.lastLogin = { username, password };
    if (code && /^\/(login|enrol)/.test(address)) this.lastCode = code;
  }
}
