//! The few elements of SVG a plot needs.

use std::fmt::Write;

/// A finished plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// Name of its file, without ending.
    pub name: String,
    /// What it shows, for who cannot see it.
    pub label: String,
    width: f64,
    height: f64,
    body: String,
}

impl Drawing {
    /// As an element of a page that has [`super::STYLE`] once.
    pub fn inline(&self) -> String {
        self.element("", "")
    }

    /// As a file of its own.
    pub fn file(&self) -> String {
        let style = format!("<style>{}</style>", super::STYLE);
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
        let size = format!(
            " xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\"",
            self.width, self.height
        );
        format!("{head}{}\n", self.element(&size, &style))
    }

    fn element(&self, attributes: &str, first: &str) -> String {
        let Self { label, width, height, body, .. } = self;
        format!(
            "<svg class=\"plot\"{attributes} viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">{first}{body}</svg>",
            number(*width),
            number(*height),
            escape(label)
        )
    }
}

/// A plot being drawn; units are px of the view box, y counts down.
#[derive(Debug)]
pub struct Svg {
    body: String,
    width: f64,
}

impl Svg {
    /// An empty one.
    pub fn new(width: f64) -> Self {
        Self { body: String::new(), width }
    }

    /// Its width.
    pub fn width(&self) -> f64 {
        self.width
    }

    /// Text with its base line at `y`; class `m` centres it, `e` ends it at `x`.
    pub fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        let (x, y) = (number(x), number(y));
        let _ = write!(self.body, "<text x=\"{x}\" y=\"{y}\" class=\"{class}\">{}</text>", escape(text));
    }

    /// A straight line.
    pub fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), class: &str) {
        let d = format!("M{} {}L{} {}", number(x1), number(y1), number(x2), number(y2));
        self.path(&d, class, None);
    }

    /// A rectangle.
    pub fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), class: &str) {
        let (x, y, width, height) = (number(x), number(y), number(width.max(0.0)), number(height.max(0.0)));
        let _ = write!(
            self.body,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" class=\"{class}\"/>"
        );
    }

    /// A path, clipped by the clip path of that name.
    pub fn path(&mut self, d: &str, class: &str, clip: Option<&str>) {
        if d.is_empty() {
            return;
        }
        let _ = write!(self.body, "<path d=\"{d}\" class=\"{class}\"");
        if let Some(clip) = clip {
            let _ = write!(self.body, " clip-path=\"url(#{clip})\"");
        }
        self.body.push_str("/>");
    }

    /// A clip path; names must be unique in the page the plot will stand in.
    pub fn clip(&mut self, name: &str, d: &str) {
        let _ = write!(self.body, "<clipPath id=\"{name}\"><path d=\"{d}\"/></clipPath>");
    }

    /// Done.
    pub fn finish(self, name: &str, label: &str, height: f64) -> Drawing {
        Drawing { name: name.into(), label: label.into(), width: self.width, height, body: self.body }
    }
}

/// A path in steps from point to point, to a tenth of a px.
#[derive(Debug, Default)]
pub struct Path {
    d: String,
    at: (i64, i64),
}

#[expect(clippy::cast_possible_truncation, reason = "a tenth of a px; casts saturate")]
fn tenths(x: f64) -> i64 {
    (x * 10.0).round() as i64
}

fn put(d: &mut String, tenths: i64) {
    let sign = if tenths < 0 { "-" } else { "" };
    let (whole, part) = (tenths.unsigned_abs() / 10, tenths.unsigned_abs() % 10);
    let _ = match (whole, part) {
        (whole, 0) => write!(d, "{sign}{whole}"),
        (0, part) => write!(d, "{sign}.{part}"),
        (whole, part) => write!(d, "{sign}{whole}.{part}"),
    };
}

impl Path {
    /// Goes to a point without a line.
    pub fn move_to(&mut self, x: f64, y: f64) {
        self.at = (tenths(x), tenths(y));
        self.d.push('M');
        put(&mut self.d, self.at.0);
        self.d.push(' ');
        put(&mut self.d, self.at.1);
    }

    /// A line to a point.
    pub fn line_to(&mut self, x: f64, y: f64) {
        let (x, y) = (tenths(x), tenths(y));
        let (dx, dy) = (x - self.at.0, y - self.at.1);
        match (dx, dy) {
            (0, 0) => return,
            (dx, 0) => {
                self.d.push('h');
                put(&mut self.d, dx);
            }
            (0, dy) => {
                self.d.push('v');
                put(&mut self.d, dy);
            }
            (dx, dy) => {
                self.d.push('l');
                put(&mut self.d, dx);
                if dy >= 0 {
                    self.d.push(' ');
                }
                put(&mut self.d, dy);
            }
        }
        self.at = (x, y);
    }

    /// Back to where it began.
    pub fn close(&mut self) {
        self.d.push('z');
    }

    /// A line through the points.
    pub fn through(&mut self, points: &[(f64, f64)]) {
        if let Some(((x, y), rest)) = points.split_first() {
            self.move_to(*x, *y);
            for (x, y) in rest {
                self.line_to(*x, *y);
            }
            if rest.is_empty() {
                // A point of no length would not be seen.
                self.line_to(*x + 0.6, *y);
            }
        }
    }

    /// The commands.
    pub fn into_d(self) -> String {
        self.d
    }
}

/// A number to a tenth, without a needless point.
pub fn number(x: f64) -> String {
    let mut text = String::new();
    put(&mut text, tenths(x));
    text
}

/// Text that may stand in an element or a quoted attribute of SVG and HTML.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// Width of a text at a font size, estimated without a font: a Chinese sign is square, others half as wide.
pub fn text_width(text: &str, size: f64) -> f64 {
    text.chars().map(|c| if u32::from(c) > 0x2E80 { 1.0 } else { 0.56 }).sum::<f64>() * size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_goes_in_tenths_and_forgets_no_rounding() {
        let mut path = Path::default();
        path.through(&[(0.04, 1.0), (0.08, 1.0), (10.0, 1.0), (10.26, 0.5)]);
        // Worked out by hand: 0.04 → 0, 0.08 → 0.1, 10.0, 10.26 → 10.3.
        assert_eq!(path.into_d(), "M0 1h.1h9.9l.3-.5");
    }

    #[test]
    fn text_cannot_end_its_element() {
        assert_eq!(escape("</text><a x=\"&'"), "&lt;/text&gt;&lt;a x=&quot;&amp;&#39;");
    }
}
