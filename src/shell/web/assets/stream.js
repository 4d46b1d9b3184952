// The event stream: one state kept up to date by patches, and whether it can still be believed.

import { load } from "./api.js";

/** Silence after which the page calls itself blind, ms. States come every second and beats every 2 s; with the look
 * every 250 ms it is said well within 5 s after the service fell silent. */
const SILENCE_MS = 4000;
/** Silence after which a stream that looks open is given up and opened anew, ms. */
const DEAD_MS = 8000;

/** A merge patch (RFC 7386); lists are patched by position. */
export function merge(target, patch) {
  if (patch === null || typeof patch !== "object" || Array.isArray(patch)) return patch;
  const base = target !== null && typeof target === "object" ? target : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null && !Array.isArray(base)) delete base[key];
    else base[key] = merge(base[key], value);
  }
  return base;
}

/**
 * Follows the stream. `onState(state)` after every change; `onLive(why)` with it and four times a second with null while
 * the page may be believed, `"link"` when nothing is heard, `"cycle"` when the service lives but its cycle
 * publishes nothing.
 */
export function follow(onState, onLive) {
  let source = null;
  let state = null;
  let boot = null;
  let heard = performance.now();
  let opened = heard;
  let stateAge = { s: 0, at: heard };

  const open = () => {
    source?.close();
    opened = performance.now();
    source = new EventSource("/api/v1/stream");
    source.addEventListener("full", (event) => {
      const [from] = event.lastEventId.split("-");
      // Another start of the service may have another configuration: names and limits are read anew.
      if (boot !== null && boot !== from) location.reload();
      boot = from;
      take(JSON.parse(event.data));
    });
    source.addEventListener("patch", (event) => {
      const change = JSON.parse(event.data);
      if (state === null || change.base !== state.seq) return open();
      merge(state, change.patch);
      state.seq = change.seq;
      take(state);
    });
    source.addEventListener("beat", (event) => {
      heard = performance.now();
      stateAge = { s: JSON.parse(event.data).state_age_s, at: heard };
    });
  };
  const take = (next) => {
    state = next;
    heard = performance.now();
    stateAge = { s: 0, at: heard };
    onState(state);
    // With the state itself: the band that says the page is blind must not leave under a pointer already on its way.
    look();
  };
  const look = () => {
    const now = performance.now();
    const silent = now - heard;
    const closed = source.readyState === EventSource.CLOSED && now - opened > 1000;
    // Perhaps signed out meanwhile: then this leads to the sign-in page.
    if (closed) load("/api/v1/session").catch(() => {});
    if (closed || (silent > DEAD_MS && now - opened > DEAD_MS)) open();
    const age = stateAge.s * 1000 + (now - stateAge.at);
    onLive(silent > SILENCE_MS ? "link" : age > SILENCE_MS + 1000 ? "cycle" : null);
  };
  open();
  setInterval(look, 250);
}
