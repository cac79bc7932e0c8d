// Brings what changed into the page that is open. Without it the page is as it was when it was loaded.
"use strict";
(() => {
  const main = document.querySelector("main[data-changes]");
  if (!main || !window.EventSource) return;
  const news = document.getElementById("news");
  const wait = { pause: 2000, again: 60000 };
  let source = null, since = main.dataset.since, due = null, last = 0, told = new Set();

  const open = () => {
    if (source || document.hidden) return;
    source = new EventSource(main.dataset.changes + (main.dataset.changes.includes("?") ? "&" : "?") + "since=" + since);
    source.onmessage = (event) => {
      since = event.lastEventId;
      (JSON.parse(event.data).patients || []).forEach((id) => told.add(id));
      due = due || setTimeout(renew, Math.max(300, last + wait.pause - Date.now()));
    };
    source.onerror = () => {
      if (source && source.readyState === EventSource.CLOSED) { close(); setTimeout(open, wait.again); }
    };
  };
  const close = () => { if (source) { source.close(); source = null; } };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);

  async function renew() {
    due = null; last = Date.now();
    const changed = told; told = new Set();
    let answer;
    try { answer = await fetch(location.href, { credentials: "same-origin", headers: { "X-Isodose-By-Itself": "1" } }); } catch { return; }
    if (!answer.ok || answer.redirected) { say("This page has changed. Load it again."); return; }
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    let renewed = 0, kept = 0;
    for (const part of main.querySelectorAll("[data-live]")) {
      const next = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
      if (!next || same(part, next)) continue;
      if (isEdited(part)) { kept += 1; continue; }
      replace(part, next); renewed += 1;
    }
    for (const row of main.querySelectorAll("[data-patient]")) {
      row.classList.toggle("fresh", changed.has(row.dataset.patient));
    }
    if (kept) say("What you are writing was left as it is. Something else here has changed: load the page again when you are done.");
    else if (renewed) say(main.dataset.said + " " + new Date().toLocaleTimeString());
  }

  const plain = (part) => {
    const copy = part.cloneNode(true);
    copy.querySelectorAll("[open]").forEach((one) => one.removeAttribute("open"));
    copy.querySelectorAll(".fresh").forEach((one) => one.classList.remove("fresh"));
    copy.querySelectorAll("[class='']").forEach((one) => one.removeAttribute("class"));
    return copy.innerHTML;
  };
  const same = (part, next) => plain(part) === plain(next);
  const isEdited = (part) => [...part.querySelectorAll("input, textarea, select")].some((field) =>
    field === document.activeElement ||
    ("checked" in field && field.checked !== field.defaultChecked) ||
    ("defaultValue" in field && field.type !== "checkbox" && field.type !== "radio" && field.value !== field.defaultValue));

  // What was opened stays open, and the keyboard stays where it was.
  const name = (one) => one.id || one.getAttribute("href") || one.textContent.replace(/\d+/g, "").trim();
  function replace(part, next) {
    const opened = new Set([...part.querySelectorAll("details[open] > summary")].map(name));
    const held = part.contains(document.activeElement) ? document.activeElement : null;
    const where = held && { tag: held.tagName, name: name(held) };
    part.replaceChildren(...next.childNodes);
    part.querySelectorAll("details > summary").forEach((one) => { if (opened.has(name(one))) one.parentElement.open = true; });
    if (!where) return;
    const same = [...part.querySelectorAll(where.tag)].find((one) => name(one) === where.name);
    const to = same || part;
    if (to === part) part.tabIndex = -1;
    to.focus({ preventScroll: true });
  }
  function say(words) { news.textContent = words; }
  open();
})();
