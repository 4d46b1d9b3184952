// The strip of a demonstration: disturbances of its virtual river. Loaded only where the service says there is one.

import { flag, h, text } from "./dom.js";
import { lang } from "./i18n.js";

const ASK_MS = 5000;
const WORDS = {
  zh: {
    note: "再按一次即复原", failed: "仿真河流无响应", sign_in: "请以值班员登录",
    drought: ["干旱", "天然来水 6 小时内减半"],
    flood_pulse: ["洪水脉冲", "最大支流来一场洪水，3 小时到峰"],
    stuck_gate: ["闸门卡死", "生态阀电机堵转，过载跳开"],
    lying_meter: ["仪表说谎", "末断面流量计偏大 25 %"],
    second_master: ["另一主站", "每 2 分钟有人改写生态阀目标"],
  },
  en: {
    note: "press again to put right", failed: "the simulated river does not answer", sign_in: "sign in as an operator",
    drought: ["Drought", "natural inflows fall to half within 6 h"],
    flood_pulse: ["Flood pulse", "a wave down the largest tributary, 3 h to its peak"],
    stuck_gate: ["Stuck gate", "the drive of the release valve seizes"],
    lying_meter: ["Lying meter", "the meter of the last section shows 25 % too much"],
    second_master: ["Second master", "somebody else commands the release valve every 2 min"],
  },
};

async function ask(wanted) {
  const post = { method: "POST", headers: { "content-type": "application/json", "x-qindan": "1" }, body: JSON.stringify(wanted) };
  const response = await fetch("/api/v1/simulated-river", wanted ? post : {});
  if (!response.ok) throw new Error(`${response.status}`);
  return response.json();
}

/** The strip; `drop()` ends it. */
export async function buildSimulated() {
  const style = "/assets/simulated.css";
  if (!document.head.querySelector(`link[href="${style}"]`)) document.head.append(h("link", { rel: "stylesheet", href: style }));
  const words = WORDS[lang()];
  const buttons = new Map();
  const note = h("span", { role: "status", tid: "trick-note" });
  const row = h("div", { class: "tricks" });
  const el = h("aside", { class: "simulated", tid: "simulated", "aria-label": "SIMULATED RIVER" },
    h("div", {}, h("strong", {}, "SIMULATED RIVER 仿真河流"), note), row);
  const show = (all) => {
    for (const { trick, on, element } of all) {
      const [name, about] = words[trick] ?? [trick, ""];
      if (!buttons.has(trick)) {
        const button = h("button", { type: "button", tid: `trick-${trick}`, title: element ? `${about} (${element})` : about,
          on: { click: () => send({ trick, on: button.getAttribute("aria-pressed") !== "true" }) } }, name);
        buttons.set(trick, button);
        row.append(button);
      }
      const button = buttons.get(trick);
      button.setAttribute("aria-pressed", String(on));
      flag(button, "inverse", on);
    }
    text(note, all.some((trick) => trick.on) ? words.note : "");
  };
  const send = async (wanted) => {
    try {
      show(await ask(wanted));
    } catch (error) {
      text(note, ["401", "403"].includes(error.message) ? words.sign_in : words.failed);
    }
  };
  const timer = setInterval(send, ASK_MS);
  await send();
  return { el, update() {}, drop: () => clearInterval(timer) };
}
