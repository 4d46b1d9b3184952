// Elements without markup strings: whatever comes from configuration or people reaches the page as text only.

/** Makes an element. `props`: `class`, `on` ({event: handler}), `tid` (for tests), anything else is an attribute. */
export function h(tag, props, ...kids) {
  const el = document.createElement(tag);
  apply(el, props);
  el.append(...kids.flat().filter((kid) => kid !== null && kid !== undefined && kid !== false));
  return el;
}

const SVG = "http://www.w3.org/2000/svg";

/** Makes an SVG element. */
export function s(tag, props, ...kids) {
  const el = document.createElementNS(SVG, tag);
  apply(el, props);
  el.append(...kids);
  return el;
}

function apply(el, props) {
  for (const [key, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "on") for (const [name, act] of Object.entries(value)) el.addEventListener(name, act);
    else if (key === "tid") el.dataset.testid = value;
    else el.setAttribute(key, value === true ? "" : value);
  }
}

/** A telephone only looks: by its width, or as a small screen under a finger, whichever way it is held. */
const phone = matchMedia("(max-width: 480px), (max-width: 759px) and (pointer: coarse), (max-height: 480px) and (pointer: coarse)");

export function onlyLooks() {
  return phone.matches;
}

/** Tells when a window becomes as narrow as a telephone, or wide again. */
export function whenLooks(tell) {
  phone.addEventListener("change", tell);
}

/** Sets text only where it differs, so that a quiet page does no layout. */
export function text(el, value) {
  if (el.textContent !== value) el.textContent = value;
}

/** Replaces what is in `el` when `key` differs from the last time. */
export function renew(el, key, make) {
  if (el.dataset.key === key) return;
  el.dataset.key = key;
  el.replaceChildren(...[make()].flat().filter((kid) => kid !== null && kid !== undefined && kid !== false));
}

/** Adds or removes a class or boolean attribute. */
export function flag(el, name, on) {
  el.classList.toggle(name, Boolean(on));
}

/** A panel with a heading; `aside` stands at the right end of the heading. */
export function panel(name, title, note, aside, ...body) {
  const id = `h-${name}`;
  return h("section", { class: `panel ${name}`, tid: name, "aria-labelledby": id },
    h("header", {}, h("h2", { id }, title), note && h("span", { class: "note" }, note), h("span", { class: "grow" }), aside),
    ...body);
}

/** Shape of an alarm priority: square, triangle up, triangle down, circle, each with its digit. */
export function glyph(priority, label) {
  const shapes = {
    1: () => s("rect", { x: 2, y: 2, width: 16, height: 16 }),
    2: () => s("path", { d: "M10 1.5 19 18H1z" }),
    3: () => s("path", { d: "M10 18.5 1 2h18z" }),
    4: () => s("circle", { cx: 10, cy: 10, r: 8.5 }),
  };
  const y = { 1: 14.3, 2: 16, 3: 12.5, 4: 14.3 };
  const props = { class: `glyph p${priority}`, viewBox: "0 0 20 20" };
  const labels = label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" };
  return s("svg", { ...props, ...labels }, shapes[priority](),
    s("text", { x: 10, y: y[priority], "text-anchor": "middle" }, String(priority)));
}

const LONG_PRESS_MS = 1000;

/**
 * Makes `button` act only after it was pressed for one second, by pointer or by Space or Enter.
 * Letting go, leaving or losing focus before that does nothing.
 */
export function longPress(button, act) {
  let timer = null;
  const stop = () => {
    clearTimeout(timer);
    timer = null;
    button.classList.remove("pressing");
  };
  const start = () => {
    if (timer !== null || button.disabled) return;
    button.classList.add("pressing");
    timer = setTimeout(() => {
      stop();
      act();
    }, LONG_PRESS_MS);
  };
  button.classList.add("long-press");
  button.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    start();
  });
  for (const name of ["pointerup", "pointerleave", "pointercancel", "blur"]) button.addEventListener(name, stop);
  button.addEventListener("contextmenu", (event) => event.preventDefault());
  button.addEventListener("keydown", (event) => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    if (!event.repeat) start();
  });
  button.addEventListener("keyup", stop);
  return { start, stop };
}
