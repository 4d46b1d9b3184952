// Requests of the page; every failure comes back as a text for the operator.

import { onlyLooks } from "./dom.js";
import { lang, t } from "./i18n.js";

/** What a list of limits says; who knows the basin tells how. */
let limitWords = () => "";

export function sayLimits(how) {
  limitWords = how;
}

/** A problem as the service words it (RFC 9457), in the language of the page; `key` is a text of it that has its Chinese beside it. */
export function wording(body, key = "detail") {
  if (body.limits?.length) return `${t("refused")}${t("colon")}${limitWords(body.limits)}`;
  return (lang() === "zh" && body[`${key}_zh`]) || body[key] || t("refused");
}

/** A JSON document of the service. */
export async function load(path) {
  const response = await fetch(path);
  const body = await response.json().catch(() => ({}));
  if (response.status === 401) location.assign("/login");
  if (!response.ok) throw new Error(body.detail ? wording(body) : `${response.status}`);
  return body;
}

/** An identifier nobody used before: an act sent twice is done once. */
export function requestId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Sends an act. Resolves to `{ok, status, body}`; never rejects. */
export function act(name, body) {
  return send("POST", `/api/v1/acts/${name}`, body);
}

/** Sends any request that changes something. Resolves to `{ok, status, body}`; never rejects. */
export async function send(method, path, body) {
  if (onlyLooks() && !path.endsWith("/session")) return { ok: false, status: 0, body: { detail: t("only_looks") } };
  try {
    const response = await fetch(path, {
      method,
      headers: { "content-type": "application/json", "x-qindan": "1" },
      body: JSON.stringify(body),
    });
    const answer = await response.json().catch(() => ({}));
    if (response.status === 401) location.assign("/login");
    return { ok: response.ok, status: response.status, body: answer };
  } catch {
    return { ok: false, status: 0, body: { detail: t("no_connection") } };
  }
}
