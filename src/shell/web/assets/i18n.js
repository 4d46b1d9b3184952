// The language of the page: Chinese unless the person chose English.

const texts = { zh: {}, en: {} };
let language = localStorage.getItem("language") === "en" ? "en" : "zh";

export function lang() {
  return language;
}

/** Chooses the language, once its texts are there: nobody needs those of the other. */
export async function setLang(next) {
  const chosen = next === "en" ? "en" : "zh";
  texts[chosen] = (await import(`./${chosen}.js`)).default;
  language = chosen;
  localStorage.setItem("language", language);
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
}

function lookup(key) {
  return key.split(".").reduce((at, part) => at?.[part], texts[language]);
}

/** The text called `key` (`a.b` for nested ones), with `{name}` filled from `values`; the key itself if unknown. */
export function t(key, values) {
  const found = lookup(key);
  if (typeof found !== "string") return key;
  return found.replace(/\{(\w+)\}/g, (_, name) => values?.[name] ?? "–");
}

/** Whether there is a text called `key`. */
export function has(key) {
  return typeof lookup(key) === "string";
}

/** A name from the configuration. */
export function named(name) {
  return name ? name[language] || name.zh || name.en || "" : "";
}
