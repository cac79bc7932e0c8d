// What a script adds to the form: impossible values are told as they are typed, questions that do not apply are
// put aside, and a link to a question opens its section. Without it the server says the same when the form is sent.
"use strict";

const form = document.querySelector("form.intake");

function faultOf(input) {
  const text = input.value.trim().replace(",", ".");
  if (text === "") return "";
  const { kind, least, most } = input.dataset;
  const shape = kind === "integer" ? /^[-+]?\d+$/ : /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;
  if (!shape.test(text)) return kind === "integer" ? "This is not a whole number." : "This is not a number.";
  const low = least !== "" && Number(text) < Number(least);
  const high = most !== "" && Number(text) > Number(most);
  if (!low && !high) return "";
  if (least === "") return `This cannot be: the value is at most ${most}.`;
  return most === "" ? `This cannot be: the value is at least ${least}.` : `This cannot be: the value is from ${least} to ${most}.`;
}

function judge(input) {
  const said = faultOf(input);
  document.getElementById(`${input.id}-fault`).textContent = said;
  input.closest(".field").classList.toggle("faulty", said !== "");
  if (said) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
  return said === "";
}

function valueOf(name) {
  const held = form.elements.namedItem(name);
  return held === null ? "" : held.value;
}

function putAside() {
  for (const field of form.querySelectorAll("[data-when]")) {
    const isAsked = valueOf(field.dataset.when) === field.dataset.is;
    field.hidden = !isAsked;
    for (const input of field.querySelectorAll("input, select")) input.disabled = !isAsked;
  }
}

function goTo(hash) {
  const target = hash && document.getElementById(decodeURIComponent(hash.slice(1)));
  if (!target || !form.contains(target)) return;
  const section = target.closest("details");
  if (section) section.open = true;
  target.scrollIntoView({ block: "center" });
  target.focus({ preventScroll: true });
}

if (form) {
  form.addEventListener("input", (event) => {
    if (event.target.dataset.kind) judge(event.target);
    putAside();
  });
  form.addEventListener("submit", (event) => {
    const faulty = [...form.querySelectorAll("input[data-kind]:enabled")].filter((input) => !judge(input));
    if (faulty.length === 0) return;
    event.preventDefault();
    goTo(`#${encodeURIComponent(faulty[0].id)}`);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (link) setTimeout(goTo, 0, link.getAttribute("href"));
  });
  putAside();
  goTo(location.hash);
}
