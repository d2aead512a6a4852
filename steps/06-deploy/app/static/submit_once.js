// A second click must not send a form again, because a code works once.
const PAUSE_MILLISECONDS = 3000;
let sentAt = new WeakMap();  // form -> when it was sent

addEventListener("submit", (event) => {
  const since = event.timeStamp - (sentAt.get(event.target) ?? -Infinity);
  if (since < PAUSE_MILLISECONDS) event.preventDefault();
  else sentAt.set(event.target, event.timeStamp);
});

// Back shows the page as it was left, and the form can be sent again.
addEventListener("pageshow", () => { sentAt = new WeakMap(); });
