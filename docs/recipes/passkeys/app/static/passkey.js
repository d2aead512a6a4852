// Has the browser make or use a passkey, and sends its answer with the form.

const MESSAGES = {
  InvalidStateError: "This device already has a passkey for your account.",
  NotAllowedError: "It was cancelled or took too long. Nothing was sent. Try again.",
  SecurityError: "This page is not at the address that your passkeys belong to. Nothing was sent.",
};
const PARTS = ["attestationObject", "authenticatorData", "clientDataJSON", "signature", "userHandle"];

const input = document.querySelector("[name=credential]");
const form = input.form;
const notice = document.createElement("p");
notice.className = "notice error";
notice.setAttribute("role", "alert");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  notice.remove();
  form.inert = true;
  try {
    const publicKey = readOptions(input.dataset.options);
    const credential = await navigator.credentials[input.dataset.ceremony]({ publicKey });
    input.value = writeCredential(credential);
    form.submit();
  } catch (error) {
    notice.textContent = MESSAGES[error.name] ?? "This browser cannot use passkeys here.";
    form.prepend(notice);
  }
  form.inert = false;
});

function readOptions(text) {
  const options = JSON.parse(text);
  options.challenge = toBytes(options.challenge);
  if (options.user) options.user.id = toBytes(options.user.id);
  for (const known of options.allowCredentials ?? options.excludeCredentials) known.id = toBytes(known.id);
  return options;
}

// By hand, because toJSON fails on what some password managers hand out.
function writeCredential({ id, type, response }) {
  const parts = PARTS.filter((name) => response[name]).map((name) => [name, toText(response[name])]);
  return JSON.stringify({ id, rawId: id, type, response: Object.fromEntries(parts) });
}

function toBytes(text) {
  const base64 = text.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function toText(bytes) {
  const base64 = btoa(String.fromCharCode(...new Uint8Array(bytes)));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
