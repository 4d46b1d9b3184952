//! Pages made by the server: no script in them, every text escaped.

use std::fmt::Write as _;

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::guard::FormPage;

/// A piece of HTML; text gets in by [`Markup::text`] alone.
#[derive(Clone, Debug, Default)]
pub(super) struct Markup(String);

impl Markup {
    /// Fixed markup.
    pub(super) fn raw(mut self, html: &'static str) -> Self {
        self.0.push_str(html);
        self
    }

    /// Any text, escaped.
    pub(super) fn text(mut self, text: &str) -> Self {
        self.0.push_str(&escape(text));
        self
    }

    /// A label in both languages.
    pub(super) fn both(self, zh: &str, en: &str) -> Self {
        self.text(zh).raw(" <span lang=\"en\">").text(en).raw("</span>")
    }

    /// A field of a form.
    pub(super) fn field(self, (zh, en): (&str, &str), field: &Field<'_>) -> Self {
        let mut this = self.raw("<label>").both(zh, en);
        let Field { name, kind, auto, value, first } = field;
        let (value, focus) = (escape(value), if *first { " autofocus" } else { "" });
        // Writing to a text cannot fail.
        let _ = write!(
            this.0,
            "<input name=\"{name}\" type=\"{kind}\" autocomplete=\"{auto}\" value=\"{value}\" maxlength=\"200\" \
             data-testid=\"{name}\" required{focus}></label>"
        );
        this
    }

    /// Another piece.
    pub(super) fn piece(mut self, other: &Self) -> Self {
        self.0.push_str(&other.0);
        self
    }

    /// The page around it.
    pub(super) fn page(self, status: StatusCode, title: &str) -> Response {
        let title = escape(title);
        let html = format!(
            "<!doctype html>\n<html lang=\"zh-CN\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
             <link rel=\"icon\" href=\"/assets/icon.svg\" type=\"image/svg+xml\">\n\
             <link rel=\"stylesheet\" href=\"/assets/app.css\">\n<link rel=\"stylesheet\" href=\"/assets/login.css\">\n\
             </head>\n<body class=\"plain\">\n{}\n</body>\n</html>\n",
            self.0
        );
        let mut response = (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response();
        response.extensions_mut().insert(FormPage);
        response
    }
}

/// An input.
pub(super) struct Field<'a> {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) auto: &'static str,
    pub(super) value: &'a str,
    /// Where typing begins.
    pub(super) first: bool,
}

/// Text that is only text, also within quotes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(escape("<b a=\"1\" c='2'>&"), "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;");
    }
}
