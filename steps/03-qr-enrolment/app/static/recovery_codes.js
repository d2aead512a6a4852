// Gives the recovery codes two buttons: one copies them, one downloads them as a text file.

const list = document.querySelector(".codes");
const codes = Array.from(list.querySelectorAll(".recovery-code"), (code) => code.textContent);
const text = codes.join("\n") + "\n";
const row = document.createElement("p");
list.after(row);

function addButton(label, action) {
  const button = document.createElement("button");
  button.className = "quiet";
  button.textContent = label;
  button.addEventListener("click", () => action(button));
  row.append(button, " ");
}

// Browsers have a clipboard for pages that came over HTTPS or from this computer.
if (navigator.clipboard) {
  addButton("Copy codes", async (button) => {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  });
}

addButton("Download codes", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = "recovery-codes.txt";
  link.click();
  URL.revokeObjectURL(link.href);
});
