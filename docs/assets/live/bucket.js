// The rate limit, to try by hand. It counts like app/rate_limit.py of step 02, in minutes.
// The table says the same to those who run no script.

const LIMIT_PER_ACCOUNT = 5;
const WINDOW_MINUTES = 15;
const EMPTY = { startedAt: -Infinity, attempts: 0 };

const hasEnded = (bucket, now) => now >= bucket.startedAt + WINDOW_MINUTES;

// Count an attempt before it is verified; return for how many minutes it is refused.
function countAttempt(bucket, now) {
  if (hasEnded(bucket, now)) Object.assign(bucket, { startedAt: now, attempts: 0 });
  bucket.attempts += 1;
  return bucket.attempts > LIMIT_PER_ACCOUNT ? bucket.startedAt + WINDOW_MINUTES - now : 0;
}

const refused = (what, wait) =>
  `429 Too Many Requests. The app doesn't even check the ${what}. ` +
  `You can try again in ${wait} minutes, and trying sooner doesn't make it longer.`;

function demonstrate(figure) {
  const buckets = { codes: { ...EMPTY }, passwords: { ...EMPTY } };
  let now = 0;

  const actions = {
    guess() {
      const wait = countAttempt(buckets.codes, now);
      return wait ? refused("code", wait) : "Wrong code. It was counted before the app checked it.";
    },
    password() {
      const wait = countAttempt(buckets.passwords, now);
      if (wait) return refused("password", wait);
      return (
        "Correct, but the count of the codes stays as it is. If the password emptied it, " +
        "a thief who has the password could guess five codes, enter it, and guess five more."
      );
    },
    login() {
      const waitForPassword = countAttempt(buckets.passwords, now);
      if (waitForPassword) return refused("password", waitForPassword);
      const wait = countAttempt(buckets.codes, now);
      if (wait) return refused("code", wait);
      Object.values(buckets).forEach((bucket) => Object.assign(bucket, EMPTY));
      return "Logged in. Only a complete login empties both buckets, and it takes both factors.";
    },
    later() {
      now += 5;
      const isNew = buckets.codes.attempts && hasEnded(buckets.codes, now);
      return `Minute ${now}.` + (isNew ? " The window of the codes has ended, so the next code starts a new one." : "");
    },
  };

  function draw() {
    for (const [name, bucket] of Object.entries(buckets)) {
      const attempts = hasEnded(bucket, now) ? 0 : Math.min(bucket.attempts, LIMIT_PER_ACCOUNT);
      [...figure.querySelector(`[data-cells=${name}]`).children].forEach((cell, place) =>
        cell.toggleAttribute("data-full", place < attempts),
      );
      const ends = attempts ? `, the window ends at minute ${bucket.startedAt + WINDOW_MINUTES}` : "";
      figure.querySelector(`[data-count=${name}]`).textContent = `${attempts} of ${LIMIT_PER_ACCOUNT}${ends}`;
    }
  }

  figure.querySelectorAll(".cells").forEach((cells) => {
    for (let place = 0; place < LIMIT_PER_ACCOUNT; place += 1) cells.append(document.createElement("i"));
  });
  figure.querySelectorAll("[data-do]").forEach((button) =>
    button.addEventListener("click", () => {
      figure.querySelector("[role=status]").textContent = actions[button.dataset.do]();
      draw();
    }),
  );
  figure.querySelector("table, .md-typeset__scrollwrap").hidden = true;
  figure.querySelector("[data-demo]").hidden = false;
  draw();
}

document.querySelectorAll("figure.bucket").forEach(demonstrate);
