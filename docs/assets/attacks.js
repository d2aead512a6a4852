// Lets a reader choose which rows of the table of attacks to see. Without JavaScript all
// of them are there.

const table = document.querySelector(".attacks table");

if (table) {
  const steps = [...table.querySelectorAll("thead th")].map((cell) => cell.textContent.trim());
  const first = steps.indexOf("01");
  const chapters = steps.slice(first, -1);

  const chosen = (label, options) => {
    const select = document.createElement("select");
    select.append(...options.map(([value, text]) => new Option(text, value)));
    const wrapper = document.createElement("label");
    wrapper.append(label, " ", select);
    return [wrapper, select];
  };
  const [chapterLabel, chapter] = chosen("Chapter", [["", "all"], ...chapters.map((name) => [name, name])]);
  const [stateLabel, state] = chosen("Attacks", [["", "all"], ["✓", "that fail"], ["✗", "that still work"]]);
  const count = document.createElement("span");
  count.setAttribute("role", "status");

  const show = () => {
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const cells = [...row.cells].map((cell) => cell.textContent.trim());
      const states = cells.slice(first, -1);
      const own = chapter.value ? [states[chapters.indexOf(chapter.value)]] : states;
      row.hidden = !own.some((text) => text && text.startsWith(state.value));
      shown += !row.hidden;
    }
    count.textContent = `${shown} attacks`;
  };

  const controls = document.createElement("p");
  controls.className = "filter";
  controls.append(chapterLabel, " ", stateLabel, " ", count);
  document.querySelector(".attacks").before(controls);
  controls.addEventListener("change", show);
  show();
}
