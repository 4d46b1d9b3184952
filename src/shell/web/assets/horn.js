// The horn: tones for alarms nobody has acknowledged, made by the browser. It is off until a person allows it here, and mute until
// the next one comes when somebody mutes it. In a flood of alarms it sounds once.

import { h, renew } from "./dom.js";
import { lang, t } from "./i18n.js";

/** Seconds between two calls. */
const CALL_S = 3;
/** Tones by priority, Hz; the fourth has none. */
const TONES = { 1: [880, 660, 880], 2: [660, 550], 3: [520] };

/** What has been heard of, by key and begin; kept when the page is made anew. */
let heard = new Set();
let sounds = null;
let calls = null;
let context = null;
let silent = false;

const allowed = () => localStorage.getItem("horn") === "on";

/** The tones of a priority, one after the other, with soft edges. */
function call(priority) {
  TONES[priority].forEach((pitch, k) => {
    const tone = context.createOscillator();
    const loudness = context.createGain();
    const from = context.currentTime + k * 0.25;
    tone.frequency.value = pitch;
    loudness.gain.setValueAtTime(0, from);
    loudness.gain.linearRampToValueAtTime(0.3, from + 0.02);
    loudness.gain.setValueAtTime(0.3, from + 0.18);
    loudness.gain.linearRampToValueAtTime(0, from + 0.22);
    tone.connect(loudness).connect(context.destination);
    tone.start(from);
    tone.stop(from + 0.23);
  });
}

/** A browser lets sound out only after a person has touched the page. */
function wake() {
  context ??= new AudioContext();
  return context.resume();
}

/** The button of the horn: allows it, mutes it, forbids it. */
export function buildHorn() {
  const button = h("button", { type: "button", class: "horn", tid: "horn", on: { click: press } });
  // The press that wakes it does nothing else.
  let woken = false;
  const gesture = (event) => {
    if (!allowed() || context?.state === "running") return;
    woken = event.target === button;
    wake().then(draw);
  };
  for (const name of ["pointerdown", "keydown"]) addEventListener(name, gesture);
  const timer = setInterval(ring, CALL_S * 1000);

  function press() {
    if (woken) woken = false;
    else if (!allowed()) {
      localStorage.setItem("horn", "on");
      wake().then(() => {
        ring();
        draw();
      });
    } else if (calls !== null && !silent) silent = true;
    else localStorage.removeItem("horn");
    draw();
  }

  function ring() {
    if (!allowed() || silent || calls === null || context?.state !== "running") return;
    call(calls);
  }

  function draw() {
    const stands = !allowed() ? "off" : context?.state !== "running" ? "waits" : calls === null ? "on" : silent ? "muted" : "sounds";
    renew(button, `${stands}|${lang()}`, () => {
      button.dataset.horn = stands;
      button.title = t(`horn.do_${stands}`);
      return t(`horn.${stands}`);
    });
  }

  function update(state) {
    const unseen = state.alarms.filter((alarm) => !alarm.acknowledged && TONES[alarm.priority]);
    const marks = new Set(unseen.map((alarm) => `${alarm.key}@${alarm.since_s}`));
    const anew = [...marks].some((mark) => !heard.has(mark));
    // What comes in a flood is no new call: the horn has said that there is one.
    if (anew && !(state.flood && sounds === state.flood.since_s)) silent = false;
    sounds = state.flood ? state.flood.since_s : null;
    heard = marks;
    const before = calls;
    calls = unseen.length > 0 ? Math.min(...unseen.map((alarm) => alarm.priority)) : null;
    if (anew && (before === null || calls < before)) ring();
    draw();
  }

  draw();
  return { el: button, update, drop() {
    clearInterval(timer);
    for (const name of ["pointerdown", "keydown"]) removeEventListener(name, gesture);
  } };
}
