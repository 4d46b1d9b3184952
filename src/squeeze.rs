//! Scripts of the page without the spaces and ends of lines that say nothing: part of the build, and of the library for its tests.
//!
//! It is our own because no crate will do: `minifier` drops a space within a pattern and the end of a line where no semicolon stands, the
//! others do not read these scripts or bring some eighty crates into the build and ask for a newer compiler.
//!
//! Enough of the language is read to leave texts, templates and patterns as they are. What follows `)` is taken for a division, not
//! for a pattern.

/// Beside these a space says nothing.
const LOOSE: &[u8] = b"{}()[],;:=<>?!&|*%+-";

/// Behind these a slash begins a pattern.
const BEFORE_PATTERN: &[u8] = b"(,=:[!&|?{};+";

/// `script`, shorter, with the same meaning.
pub(crate) fn squeezed(script: &str) -> String {
    let text = script.as_bytes();
    let at = |place: usize| text.get(place).copied().unwrap_or(b'\n');
    let mut out = Vec::with_capacity(text.len());
    // Braces open in the code now, and in the code around each template it stands in.
    let (mut open, mut around) = (0_u32, Vec::new());
    let mut place = 0;
    while place < text.len() {
        let (this, next) = (at(place), at(place + 1));
        let last = out.last().copied().unwrap_or(b'\n');
        let end = match this {
            b'"' | b'\'' => closed(text, place + 1, this),
            b'`' | b'}' if this == b'`' || (open == 0 && !around.is_empty()) => {
                let (end, goes_on) = template(text, place + 1);
                match (this, goes_on) {
                    (b'`', true) => around.push(std::mem::take(&mut open)),
                    (b'}', false) => open = around.pop().unwrap_or(0),
                    _ => {}
                }
                end
            }
            b'/' if next == b'/' => {
                place += text.iter().skip(place).take_while(|byte| **byte != b'\n').count();
                continue;
            }
            // No pattern begins with a star.
            b'/' if next == b'*' => {
                let inside = text.get(place + 2..).unwrap_or_default();
                let end = inside.windows(2).position(|pair| pair == b"*/");
                place = end.map_or(text.len(), |end| place + 2 + end + 2);
                continue;
            }
            b'/' if begins_pattern(&out) => closed(text, place + 1, this),
            b' ' => {
                let is_sign = last == next && (last == b'+' || last == b'-');
                if !is_sign && (LOOSE.contains(&last) || LOOSE.contains(&next)) {
                    place += 1;
                    continue;
                }
                place + 1
            }
            b'\n' if b"{([,;".contains(&last) || b"})]".contains(&next) => {
                place += 1;
                continue;
            }
            _ => {
                match this {
                    b'{' => open += 1,
                    b'}' => open = open.saturating_sub(1),
                    _ => {}
                }
                place + 1
            }
        };
        out.extend(text.iter().take(end).skip(place));
        place = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Behind the text or pattern that begins at `from` and ends with `mark`; within brackets a pattern does not end.
fn closed(text: &[u8], from: usize, mark: u8) -> usize {
    let (mut is_escaped, mut is_set) = (false, false);
    for (place, byte) in text.iter().enumerate().skip(from) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'[' if mark == b'/' => is_set = true,
            b']' if mark == b'/' => is_set = false,
            byte if *byte == mark && !is_set => return place + 1,
            _ => {}
        }
    }
    text.len()
}

/// Behind the part of a template that begins at `from`, and whether code follows in it.
fn template(text: &[u8], from: usize) -> (usize, bool) {
    let (mut is_escaped, mut is_sign) = (false, false);
    for (place, byte) in text.iter().enumerate().skip(from) {
        let may_open = std::mem::take(&mut is_sign);
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'`' => return (place + 1, false),
            b'$' => is_sign = true,
            b'{' if may_open => return (place + 1, true),
            _ => {}
        }
    }
    (text.len(), false)
}

/// Whether a slash behind `out` begins a pattern.
fn begins_pattern(out: &[u8]) -> bool {
    let out = out.trim_ascii_end();
    out.last().is_none_or(|last| BEFORE_PATTERN.contains(last)) || out.ends_with(b"return")
}

#[cfg(test)]
mod tests {
    use super::squeezed;

    #[test]
    fn what_says_nothing_goes_and_what_is_text_stays() {
        let cases = [
            ("const a = { b: 1, c: [2, 3] };\n", "const a={b:1,c:[2,3]};"),
            ("f(\n\"a : b\",\n'c = d',\n)\ng()\n", "f(\"a : b\",'c = d',)\ng()\n"),
            ("`a = ${ f({ b: 1 }) } , ${`x ${ y } z`} : b`\n", "`a = ${f({b:1})} , ${`x ${y} z`} : b`\n"),
            ("`\\${ a } \\` = `\n", "`\\${ a } \\` = `\n"),
            ("x.replace(/ , [/ ] :/g, \" \")\n", "x.replace(/ , [/ ] :/g,\" \")\n"),
            ("const r = a / b / c; // no more\n", "const r=a / b / c;"),
            ("f(a, /* it's = b / */ c); /** `d` */\n", "f(a,c);"),
            ("a + +b - -c + d\n", "a+ +b- -c+d\n"),
            ("let a = 1\nlet b = 2\n", "let a=1\nlet b=2\n"),
            ("a\n++b\n", "a\n++b\n"),
            ("return\n1\n", "return\n1\n"),
            (
                "const f = async () => {\nfor await (const x of y) z(x)\n}\n",
                "const f=async()=>{for await(const x of y)z(x)}\n",
            ),
            ("a ? /\\/ \\// : b / 2\n", "a?/\\/ \\//:b / 2\n"),
            ("`${`${`a`} b`} c { } ${ {a: `}`}.a }`\n", "`${`${`a`} b`} c { } ${{a:`}`}.a}`\n"),
            ("return /a b/.test(c)\n", "return /a b/.test(c)\n"),
            ("typeof a === \"in b\" ? in_h : of\n", "typeof a===\"in b\"?in_h:of\n"),
            ("\"a \\\" = b\" + '水 = 位'\n", "\"a \\\" = b\"+'水 = 位'\n"),
        ];
        for (script, short) in cases {
            assert_eq!(squeezed(script), short);
        }
    }
}
