// The race of two requests, to try by hand: the reader decides which of them goes on.
// The table says the same to those who run no script.

const LAST = 100; // the time step in the row
const BROUGHT = 101; // the one of the code that both requests bring

// Each step changes the row or what its request remembers, and returns what it did.
const WAYS = {
  apart: {
    read(row, request) {
      request.seen = row.last;
      return `reads ${request.seen}`;
    },
    compare(row, request) {
      if (BROUGHT > request.seen) return `compares: ${BROUGHT} is later than ${request.seen}`;
      request.result = "rejected";
      return `compares: ${BROUGHT} isn't later than ${request.seen}. Rejected`;
    },
    write(row, request) {
      row.last = BROUGHT;
      request.result = "logged in";
      return `writes ${BROUGHT}. Logged in`;
    },
  },
  together: {
    UPDATE(row, request) {
      request.rows = row.last < BROUGHT ? 1 : 0;
      if (request.rows) row.last = BROUGHT;
      return `sends its UPDATE, which changes ${request.rows === 1 ? "1 row" : "0 rows"}`;
    },
    "row count"(row, request) {
      request.result = request.rows === 1 ? "logged in" : "rejected";
      return `looks at the row count. It's ${request.rows}: ${request.result}`;
    },
  },
};

function summary(way, requests) {
  if (requests.some((request) => !request.result)) return "";
  const loggedIn = requests.filter((request) => request.result === "logged in").length;
  if (loggedIn === 2) return " Both are logged in with one code, because both compared before either had written.";
  if (way === "apart") return " This time only one is logged in. Find an order in which both are.";
  return " Only one is logged in, whatever the order: the database checks and writes in one statement.";
}

function demonstrate(figure) {
  const [rowText, log, answer] = ["[data-row]", ".log", "[role=status]"].map((it) => figure.querySelector(it));
  const places = [...figure.querySelectorAll("[data-request]")];
  let row, requests, way;

  function begin() {
    way = figure.querySelector("[name=race-way]:checked").value;
    row = { last: LAST };
    requests = places.map((place) => ({ name: place.dataset.request, done: 0 }));
    log.replaceChildren();
    answer.textContent = "Choose who goes first.";
    places.forEach((place, number) => place.replaceChildren(...buttons(requests[number])));
    draw();
  }

  function buttons(request) {
    return Object.keys(WAYS[way]).map((step, place) => {
      const properties = { type: "button", textContent: `${request.name}: ${step}` };
      const button = Object.assign(document.createElement("button"), properties);
      button.addEventListener("click", () => press(request, step, place));
      return button;
    });
  }

  function press(request, step, place) {
    if (place !== request.done || request.result) {
      const why = request.result ? `is ${request.result}` : "does one step after the other";
      answer.textContent = `${request.name} ${why}.`;
      return;
    }
    const what = `${request.name} ${WAYS[way][step](row, request)}.`;
    request.done += 1;
    log.append(Object.assign(document.createElement("li"), { textContent: what }));
    answer.textContent = what + summary(way, requests);
    draw();
  }

  // A button that was disabled would lose the focus, so those that can't be pressed say so.
  function draw() {
    rowText.textContent = row.last;
    places.forEach((place, number) =>
      [...place.children].forEach((button, step) => {
        const isNext = step === requests[number].done && !requests[number].result;
        button.setAttribute("aria-disabled", String(!isNext));
      }),
    );
  }

  figure.querySelector("[data-again]").addEventListener("click", begin);
  figure.querySelectorAll("[name=race-way]").forEach((radio) => radio.addEventListener("change", begin));
  figure.querySelector("table, .md-typeset__scrollwrap").hidden = true;
  figure.querySelector("[data-demo]").hidden = false;
  begin();
}

document.querySelectorAll("figure.race").forEach(demonstrate);
