// Requests of the page; every failure comes back as a text for the operator.

import { t } from "./i18n.js";

/** A JSON document of the service. */
export async function load(path) {
  const response = await fetch(path);
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error || `${response.status}`);
  return body;
}

/** An identifier nobody used before: an act sent twice is done once. */
export function requestId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Sends an act. Resolves to `{ok, status, body}`; never rejects. */
export async function act(name, body) {
  try {
    const response = await fetch(`/api/v1/acts/${name}`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-qindan": "1" },
      body: JSON.stringify(body),
    });
    const answer = await response.json().catch(() => ({}));
    return { ok: response.ok, status: response.status, body: answer };
  } catch {
    return { ok: false, status: 0, body: { error: t("no_connection") } };
  }
}
