// Requests of the page; every failure comes back as a text for the operator.

import { t } from "./i18n.js";

/** A JSON document of the service. */
export async function load(path) {
  const response = await fetch(path);
  const body = await response.json().catch(() => ({}));
  if (response.status === 401) location.assign("/login");
  if (!response.ok) throw new Error(body.error || `${response.status}`);
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
    return { ok: false, status: 0, body: { error: t("no_connection") } };
  }
}
