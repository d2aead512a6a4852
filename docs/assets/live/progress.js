// Predict, then reveal: a question asks for your own answer before it shows ours. What you
// have answered and read stays in this browser. Without JavaScript, a question is a fold.

const NAME = "two-steps-in";
const kept = load();

// Keep the answered questions and the pages read; what is no record of ours is ignored.
function load() {
  const isRecord = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
  const fresh = { questions: {}, pages: {} };
  try {
    const { questions, pages } = JSON.parse(localStorage.getItem(NAME));
    return isRecord(questions) && isRecord(pages) ? { questions, pages } : fresh;
  } catch {
    return fresh;
  }
}

function save() {
  try {
    localStorage.setItem(NAME, JSON.stringify(kept));
  } catch {
    // A browser that stores nothing remembers it until the reader leaves the page.
  }
}

function create(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const createButton = (textContent, action) => {
  const button = create("button", { type: "button", textContent });
  button.addEventListener("click", action);
  return button;
};

function askFirst(details, changed) {
  const summary = details.querySelector("summary");
  const name = summary.textContent.trim();
  const contents = [...details.childNodes].filter((node) => node !== summary);
  const answer = create("div", { hidden: true, tabIndex: -1 }, ...contents);
  const mark = create("span", { className: "answered" });
  const keep = (isKnown) => {
    kept.questions[name] = isKnown;
    save();
    draw();
    changed();
  };
  const draw = () => {
    mark.textContent = name in kept.questions ? (kept.questions[name] ? " ✓ you knew it" : " ✓ answered") : "";
  };
  const reveal = (hasGuessed) => {
    prompt.hidden = true;
    answer.hidden = false;
    verdict.hidden = !hasGuessed;
    answer.focus();
    keep(false);
  };
  const right = createButton("That's what I thought", () => {
    verdict.hidden = true;
    keep(true);
    summary.focus();
  });
  const verdict = create("p", { hidden: true }, right);
  const prompt = create(
    "p",
    {},
    "What would you say? Answer before you look, aloud or in your head. ",
    createButton("I think I know", () => reveal(true)),
    " ",
    createButton("Reveal", () => reveal(false)),
  );
  answer.append(verdict);
  summary.append(mark);
  details.append(prompt, answer);
  draw();
  return name;
}

// Below the last question: how many you have answered, and whether you have read the page.
function showPage(questions, readChanged) {
  const page = location.pathname.split("/").at(-2);
  const count = create("span", {});
  count.setAttribute("role", "status");
  const draw = () => {
    const answered = names.filter((name) => name in kept.questions).length;
    count.textContent = `${answered} of ${names.length} questions answered.`;
  };
  const names = [...questions].map((details) => askFirst(details, () => draw()));
  const box = create("input", { type: "checkbox", checked: page in kept.pages });
  box.addEventListener("change", () => {
    if (box.checked) kept.pages[page] = true;
    else delete kept.pages[page];
    save();
    readChanged();
  });
  const label = create("label", {}, box, " I've read this page.");
  const line = create("p", { className: "progress" }, count, " ", label, " Only your browser stores this.");
  [...questions].at(-1).after(line);
  draw();
}

// At the head of a chapter: which of its pages you have read, here and in its table.
function showChapter(line) {
  const pages = JSON.parse(line.dataset.read);
  const draw = () => {
    const read = pages.filter((page) => page in kept.pages).length;
    const isWhole = pages.length === 1;
    line.textContent = isWhole ? "✓ You've read this page." : `You've read ${read} of ${pages.length} pages.`;
    line.hidden = !read;
  };
  for (const page of pages.filter((name) => name in kept.pages)) {
    const link = document.querySelector(`article table a[href*="${page}"]`);
    link?.after(create("small", { textContent: " ✓ read" }));
  }
  draw();
  return draw;
}

// On the home page: what you have read of each chapter.
function showAll(line) {
  const all = JSON.parse(line.dataset.pages);
  const isRead = (page) => page in kept.pages;
  const answered = Object.keys(kept.questions).length;
  if (!answered && !all.some(isRead)) return;
  const marks = [...document.querySelectorAll(".chapters tbody tr")].map((row) => {
    const cell = row.cells[0];
    const pages = all.filter((page) => page.startsWith(cell.textContent.trim().slice(0, 2)));
    const read = pages.filter(isRead).length;
    const text = read === pages.length ? " ✓ read" : ` ${read} of ${pages.length} read`;
    const mark = create("small", { textContent: read ? text : "" });
    cell.append(mark);
    return mark;
  });
  const read = `You've read ${all.filter(isRead).length} of ${all.length} pages`;
  const text = `${read}, and answered ${answered} ${answered === 1 ? "question" : "questions"}. `;
  const forget = createButton("Forget this", () => {
    Object.assign(kept, { questions: {}, pages: {} });
    save();
    marks.forEach((mark) => mark.remove());
    line.textContent = "Your browser has forgotten it.";
  });
  line.append(text, forget);
  line.hidden = false;
}

const questions = document.querySelectorAll("details.question");
const overview = document.querySelector("[data-progress]");
const chapter = document.querySelector("[data-read]");
const drawChapter = chapter ? showChapter(chapter) : () => {};
if (questions.length) showPage(questions, drawChapter);
if (overview) showAll(overview);
