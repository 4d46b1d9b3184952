// What if: drag the opening and read what it would do, by the same model as the preview. Nothing is sent.

import { load } from "./api.js";
import { movement } from "./confirm.js";
import { h, text } from "./dom.js";
import { known, position, positionUnit } from "./format.js";
import { t } from "./i18n.js";
import { limit } from "./reasons.js";

/** A slider for a gate; `state()` is the newest state. */
export function buildWhatIf(basin, gate, state) {
  const percent = (opening) => (opening * 100).toFixed(1);
  const slide = h("input", { type: "range", min: "0", max: "100", step: "0.5", tid: "what-if", "aria-label": t("whatif.opening"), on: { input: () => ask() } });
  const at = h("b", { tid: "what-if-at" });
  const effect = h("div", { class: "flow-preview", tid: "what-if-effect" });
  const said = h("p", { class: "quiet", role: "status" }, t("whatif.note"));
  const el = h("details", { class: "what-if", tid: "what-if-box", on: { toggle: () => {
    if (!el.open) return;
    const now = state().gates.find((_, i) => basin.gates[i] === gate);
    slide.value = percent(known(now?.opening) ? now.opening : 0);
    ask();
  } } }, h("summary", {}, t("whatif.title")), h("label", {}, h("span", {}, t("whatif.opening")), slide, at), effect, said);
  let busy = false;
  let wanted = null;

  async function ask() {
    wanted = slide.value;
    text(at, positionUnit(gate, Number(wanted) / 100));
    slide.setAttribute("aria-valuetext", at.textContent);
    if (busy) return;
    busy = true;
    // One question at a time; the last place of the slider is always answered.
    while (wanted !== null) {
      const opening = wanted;
      wanted = null;
      try {
        const { preview } = await load(`/api/v1/gates/${encodeURIComponent(gate.id)}/what-if?opening_pct=${opening}`);
        const limits = [...preview.blocked_by, ...(preview.permitted?.by ?? []).filter(Boolean)].map((found) => limit(basin, found, gate));
        const range = preview.permitted && preview.permitted.range[0] <= preview.permitted.range[1] ? `${t("permitted")} ${position(gate, preview.permitted.range[0])}–${positionUnit(gate, preview.permitted.range[1])}` : "";
        effect.replaceChildren(...movement(basin, state(), gate, preview));
        text(said, [t("whatif.note"), range, [...new Set(limits)].join("；")].filter(Boolean).join(t("sep")));
      } catch (error) {
        text(said, `${t("refused")}${t("colon")}${error.message}`);
      }
    }
    busy = false;
  }
  return el;
}
