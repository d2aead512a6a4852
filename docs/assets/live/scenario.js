// A question of a chapter: predict, then try. A link names its step and its scenario.

export class Scenario {
  constructor({ part, workshop }) {
    Object.assign(this, { part, workshop, found: null, file: null });
  }

  async find(query) {
    const name = query.get("scenario");
    this.number = query.get("step");
    this.file = query.get("file");
    if (!name) return;
    const response = await fetch(new URL("scenarios.json", import.meta.url));
    this.found = (await response.json())[this.number]?.[name] ?? null;
    if (this.found) this.ask();
  }

  ask() {
    const { part, found } = this;
    part("question").textContent = found.question;
    found.choices.forEach((words, place) => {
      const label = document.createElement("label");
      const radio = Object.assign(document.createElement("input"), { type: "radio", name: "live-guess" });
      radio.addEventListener("change", () => this.answer(place));
      label.append(radio, ` ${words}`);
      part("guess").append(label);
    });
    for (const words of found.moves) {
      part("moves").append(Object.assign(document.createElement("li"), { textContent: words }));
    }
    part("scenario").hidden = false;
  }

  // The moves let the reader see for themselves; the answer is not a secret.
  answer(place) {
    const { right, why } = this.found;
    this.part("answer").textContent = `${place === right ? "That's right." : "Try it and see."} ${why}`;
  }

  // Opens the file that the question is about, when the step runs.
  async begin() {
    const { workshop } = this;
    if (this.number !== workshop.number) return;
    const file = this.file ?? this.found?.file;
    if (file in workshop.files) workshop.show(file, this.found?.find);
  }
}
