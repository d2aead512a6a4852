// The replay, to try by hand: which codes are accepted, and why the others are not.
// The table says the same to those who run no script.

const WINDOW = 1; // time steps either way, as in app/totp.py

function judge({ now, last }, timeStep) {
  if (Math.abs(timeStep - now) > WINDOW) return [false, "It is outside the window."];
  if (timeStep === last) return [false, "It was used already."];
  if (timeStep < last) return [false, "A later one was used, so it is consumed too."];
  return [true, "It is in the window, and later than the last one used."];
}

function demonstrate(figure) {
  const codes = JSON.parse(figure.dataset.codes);
  const [list, answer, later, again] = ["ol", "[role=status]", "[data-later]", "[data-again]"].map((it) =>
    figure.querySelector(it),
  );
  const state = { now: 1, last: -1 };

  function draw() {
    [...list.children].forEach((item, timeStep) => {
      item.toggleAttribute("data-now", timeStep === state.now);
      item.toggleAttribute("data-used", timeStep <= state.last);
      item.toggleAttribute("data-outside", Math.abs(timeStep - state.now) > WINDOW);
    });
    later.disabled = state.now >= codes.length - 1;
  }

  function press(timeStep) {
    const [isAccepted, why] = judge(state, timeStep);
    if (isAccepted) state.last = timeStep;
    answer.textContent = `${codes[timeStep]}: ${isAccepted ? "accepted" : "rejected"}. ${why}`;
    draw();
  }

  codes.forEach((code, timeStep) => {
    const item = document.createElement("li");
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: code });
    button.addEventListener("click", () => press(timeStep));
    item.append(button);
    list.append(item);
  });
  later.addEventListener("click", () => {
    state.now += 1;
    answer.textContent = `Half a minute later. The phone shows ${codes[state.now]}.`;
    draw();
  });
  again.addEventListener("click", () => {
    Object.assign(state, { now: 1, last: -1 });
    answer.textContent = `The phone shows ${codes[state.now]}.`;
    draw();
  });
  answer.textContent = `The phone shows ${codes[state.now]}.`;
  figure.querySelector("table, .md-typeset__scrollwrap").hidden = true;
  figure.querySelector("[data-demo]").hidden = false;
  draw();
}

document.querySelectorAll("figure.live-demo").forEach(demonstrate);
