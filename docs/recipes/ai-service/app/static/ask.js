// Sends a question, and shows the answer piece by piece.

const form = document.querySelector("#ask");
const answer = document.querySelector("#answer");
const token = document.querySelector("[name=csrf_token]").value;

form.hidden = false;
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  form.inert = true;
  answer.textContent = "";
  answer.ariaBusy = true; // read out when it is complete
  try {
    await ask(form.elements.question.value);
  } catch {
    answer.append("\nThat did not work. Try again in a minute.");
  }
  answer.ariaBusy = false;
  form.inert = false;
});

async function ask(question) {
  const reply = await fetch("/ask", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": token },
    body: JSON.stringify({ question }),
  });
  if (reply.status === 401) return location.reload(); // which leads to the login
  let last = {};
  for await (const line of linesOf(reply.body)) {
    last = JSON.parse(line);
    answer.append(last.text ?? last.error ?? ""); // as text: a model may say <script>
  }
  if (!last.done && !last.error) throw new Error("The connection broke off.");
}

async function* linesOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ; ) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    yield* lines;
  }
}
