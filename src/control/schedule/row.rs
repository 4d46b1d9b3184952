//! An entry as a row of texts: what stands in a line of CSV, in a form of the page and, with its types, in the configuration.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::text;
use super::when::{Days, When, Within};
use super::{DispatchOrder, Entry, IfMissed, Target};
use crate::basin::Season;
use crate::units::{Discharge, Opening, Stage};

/// Longest identifier, characters.
const ID_MOST: usize = 40;
/// Longest other text, characters.
const TEXT_MOST: usize = 120;

macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Texts by column; an empty one is not there.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Row {
            $($(#[$doc])* #[serde(skip_serializing_if = "String::is_empty")] pub $name: String,)*
        }

        /// The columns in the order of a file.
        pub const COLUMNS: &[&str] = &[$(stringify!($name),)*];

        impl Row {
            /// The text in a column; `None` for one that is none.
            pub fn column(&mut self, column: &str) -> Option<&mut String> {
                $(if column == stringify!($name) {
                    return Some(&mut self.$name);
                })*
                None
            }
        }
    };
}

columns! {
    /// Identifier.
    id,
    /// For people.
    name,
    /// `opening`, `flow`, `level`, `shut`, `stay` or `floor`.
    kind,
    /// Gate, or section of a floor.
    element,
    /// Opening, %.
    opening_pct,
    /// Flow through the gate, m³/s.
    flow_m3s,
    /// Level kept, m.
    level_m,
    /// Floor, m³/s.
    floor_m3s,
    /// Begin of a one-off.
    from,
    /// Its end.
    to,
    /// Days of the week.
    days,
    /// Civil time of the begin on each.
    begin,
    /// Civil time of the end.
    end,
    /// First month and day of the season.
    season_from,
    /// Last month and day of it.
    season_to,
    /// First day ever.
    valid_from,
    /// Last day ever.
    valid_to,
    /// `late` or `skip`.
    if_missed,
    /// Number of the dispatch order.
    order_number,
    /// Who gave it.
    order_giver,
    /// Who took it.
    order_receiver,
    /// When it was given.
    order_given,
    /// On what it stands.
    order_basis,
}

/// Something wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The column.
    pub column: &'static str,
    /// What stands there.
    pub value: String,
    /// What is wrong with it.
    pub what: String,
    /// What to do about it.
    pub remedy: &'static str,
}

/// Reads one row and collects what is wrong with it.
struct Reader<'a> {
    zone: &'a TimeZone,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn fault(&mut self, column: &'static str, value: &str, what: impl Into<String>, remedy: &'static str) {
        self.faults.push(Fault { column, value: value.to_owned(), what: what.into(), remedy });
    }

    fn need<T>(
        &mut self,
        column: &'static str,
        value: &str,
        remedy: &'static str,
        read: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        if value.is_empty() {
            self.fault(column, value, "is missing", remedy);
            return None;
        }
        self.may(column, value, remedy, read)
    }

    fn may<T>(
        &mut self,
        column: &'static str,
        value: &str,
        remedy: &'static str,
        read: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        if value.is_empty() {
            return None;
        }
        match read(value) {
            Ok(read) => Some(read),
            Err(what) => {
                self.fault(column, value, what, remedy);
                None
            }
        }
    }

    fn number(&mut self, column: &'static str, value: &str, most: f64, remedy: &'static str) -> Option<f64> {
        self.need(column, value, remedy, |text| {
            let number: f64 = text.parse().map_err(|_| "is no number")?;
            if !number.is_finite() {
                return Err("is no number");
            }
            if (0.0..=most).contains(&number) { Ok(number) } else { Err("is out of range") }
        })
    }

    /// A text for people. One that a table program would take for a formula could do anything there.
    fn words(&mut self, column: &'static str, value: &str) -> String {
        if value.chars().count() > TEXT_MOST {
            self.fault(column, value, "is too long", "give at most 120 characters");
        }
        if value.chars().any(char::is_control) {
            self.fault(column, value, "has a control character", "give one line of plain text");
        }
        if value.starts_with(['=', '+', '-', '@']) {
            self.fault(column, value, "begins like a formula", "begin with a letter or a digit");
        }
        value.to_owned()
    }

    fn refuse(&mut self, columns: &[(&'static str, &str)], what: &str) {
        for (column, value) in columns.iter().filter(|(_, value)| !value.is_empty()) {
            self.fault(column, value, format!("does not belong to {what}"), "leave it empty");
        }
    }

    fn target(&mut self, row: &Row) -> Option<Target> {
        const KINDS: &str = "write opening, flow, level, shut, stay or floor";
        let values = [
            ("opening_pct", row.opening_pct.as_str()),
            ("flow_m3s", row.flow_m3s.as_str()),
            ("level_m", row.level_m.as_str()),
            ("floor_m3s", row.floor_m3s.as_str()),
        ];
        let own = |kind: &str| match kind {
            "opening" => Some("opening_pct"),
            "flow" => Some("flow_m3s"),
            "level" => Some("level_m"),
            "floor" => Some("floor_m3s"),
            _ => None,
        };
        let element =
            self.need("element", &row.element, "name the gate, or the section of a floor", |text| {
                Ok(text.to_owned())
            });
        let kind = self.need("kind", &row.kind, KINDS, |kind| {
            let known = own(kind).is_some() || matches!(kind, "shut" | "stay");
            if known { Ok(kind.to_owned()) } else { Err("is no kind of entry") }
        })?;
        let others: Vec<_> = values.into_iter().filter(|(column, _)| Some(*column) != own(&kind)).collect();
        self.refuse(&others, &format!("an entry of kind {kind}"));
        let flow = "give m³/s, from 0 to 100000";
        match kind.as_str() {
            "opening" => {
                let pct = self.number("opening_pct", &row.opening_pct, 100.0, "give per cent, 0 to 100");
                pct.zip(element)
                    .map(|(pct, gate)| Target::Opening { gate, opening: Opening::clamped(pct / 100.0) })
            }
            "flow" => {
                let rate = self.number("flow_m3s", &row.flow_m3s, 1e5, flow).and_then(Discharge::new);
                rate.zip(element).map(|(flow, gate)| Target::Flow { gate, flow })
            }
            "level" => {
                let level = self
                    .number("level_m", &row.level_m, 9000.0, "give m above the datum")
                    .and_then(Stage::new);
                level.zip(element).map(|(level, gate)| Target::Level { gate, level })
            }
            "shut" => element.map(|gate| Target::Shut { gate }),
            "stay" => element.map(|gate| Target::Stay { gate }),
            _ => {
                let floor = self.number("floor_m3s", &row.floor_m3s, 1e5, flow).and_then(Discharge::new);
                floor.zip(element).map(|(floor, section)| Target::Floor { section, floor })
            }
        }
    }

    fn when(&mut self, row: &Row) -> Option<When> {
        const INSTANT: &str =
            "write civil time of the site as 2026-05-04T06:00; where the clocks are changed add the offset";
        let once = !row.from.is_empty() || !row.to.is_empty();
        let weekly = !row.begin.is_empty() || !row.end.is_empty() || !row.days.is_empty();
        if once {
            let others = [
                ("days", row.days.as_str()),
                ("begin", row.begin.as_str()),
                ("end", row.end.as_str()),
                ("season_from", row.season_from.as_str()),
                ("season_to", row.season_to.as_str()),
                ("valid_from", row.valid_from.as_str()),
                ("valid_to", row.valid_to.as_str()),
            ];
            self.refuse(&others, "a one-off with from and to");
            let zone = self.zone;
            let from = self.need("from", &row.from, INSTANT, |text| text::instant(text, zone));
            let to = self.need("to", &row.to, INSTANT, |text| text::instant(text, zone));
            let (from, to) = from.zip(to)?;
            if to <= from {
                self.fault("to", &row.to, "is not after the begin", "give an end after the begin");
                return None;
            }
            return Some(When::Once { from, to });
        }
        let within = self.within(row);
        if weekly {
            const TIME: &str = "write a time of the day as 06:00";
            let days = self.may("days", &row.days, "write days as mon-fri or mon,wed or 1,3", |days| {
                text::days(days).ok_or("are no days of the week")
            });
            let days = if row.days.is_empty() { Some(Days::ALL) } else { days };
            let begin =
                self.need("begin", &row.begin, TIME, |text| text::time(text).ok_or("is no time of the day"));
            let end =
                self.need("end", &row.end, TIME, |text| text::time(text).ok_or("is no time of the day"));
            return Some(When::Weekly { days: days?, begin: begin?, end: end?, within: within? });
        }
        let within = within?;
        if within.season.is_none() && (within.first.is_none() || within.last.is_none()) {
            let remedy = "give from and to, or begin and end, or season_from and season_to, or valid_from and valid_to";
            self.fault("from", "", "is missing: it is not said when the entry holds", remedy);
            return None;
        }
        Some(When::Season { within })
    }

    fn within(&mut self, row: &Row) -> Option<Within> {
        const DAY: &str = "write month and day as 06-01";
        const DATE: &str = "write a date as 2026-05-01";
        let month_day = |text: &str| text::month_day(text).ok_or("is no day of the year");
        let date = |text: &str| text::date(text).ok_or("is no date");
        let before = self.faults.len();
        let season = if row.season_from.is_empty() && row.season_to.is_empty() {
            None
        } else {
            let from = self.need("season_from", &row.season_from, DAY, month_day);
            let to = self.need("season_to", &row.season_to, DAY, month_day);
            from.zip(to).map(|(from, to)| Season { from, to })
        };
        let first = self.may("valid_from", &row.valid_from, DATE, date);
        let last = self.may("valid_to", &row.valid_to, DATE, date);
        if let (Some(first), Some(last)) = (first, last)
            && last < first
        {
            self.fault("valid_to", &row.valid_to, "is before valid_from", "give a later day");
        }
        (self.faults.len() == before).then_some(Within { season, first, last })
    }

    fn order(&mut self, row: &Row) -> Option<DispatchOrder> {
        let others = [&row.order_giver, &row.order_receiver, &row.order_given, &row.order_basis];
        if row.order_number.is_empty() {
            if others.iter().any(|text| !text.is_empty()) {
                self.fault("order_number", "", "is missing", "give the number of the order");
            }
            return None;
        }
        let zone = self.zone;
        let remedy = "write civil time of the site as 2026-05-04T06:00";
        let given: Option<Timestamp> =
            self.may("order_given", &row.order_given, remedy, |text| text::instant(text, zone));
        Some(DispatchOrder {
            number: self.words("order_number", &row.order_number),
            giver: self.words("order_giver", &row.order_giver),
            receiver: self.words("order_receiver", &row.order_receiver),
            given,
            basis: self.words("order_basis", &row.order_basis),
        })
    }
}

impl Row {
    /// The entry it describes; instants are civil times of `zone`.
    ///
    /// # Errors
    /// Everything that is wrong with it. Whether gate and section are there is another question ([`super::check`]).
    pub fn entry(&self, zone: &TimeZone) -> Result<Entry, Vec<Fault>> {
        let mut reader = Reader { zone, faults: Vec::new() };
        let id = reader.need("id", &self.id, "give a short name of its own", |id| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            if id.len() <= ID_MOST && id.chars().all(plain) && !id.starts_with(['-', '.']) {
                Ok(id.to_owned())
            } else {
                Err("must be at most 40 letters, digits, dots, hyphens and underscores")
            }
        });
        let name = reader.words("name", &self.name);
        let target = reader.target(self);
        let when = reader.when(self);
        let if_missed = reader.may("if_missed", &self.if_missed, "write late or skip", |word| match word {
            "late" => Ok(IfMissed::Late),
            "skip" => Ok(IfMissed::Skip),
            _ => Err("is neither late nor skip"),
        });
        let order = reader.order(self);
        match (id, target, when) {
            (Some(id), Some(target), Some(when)) if reader.faults.is_empty() => {
                Ok(Entry { id, name, target, when, if_missed: if_missed.unwrap_or_default(), order })
            }
            (_, _, _) => Err(reader.faults),
        }
    }

    /// The row of an entry.
    pub fn of(entry: &Entry, zone: &TimeZone) -> Self {
        let mut row = Self { id: entry.id.clone(), name: entry.name.clone(), ..Self::default() };
        entry.target.element().clone_into(&mut row.element);
        let kind = match &entry.target {
            Target::Opening { opening, .. } => {
                row.opening_pct = percent(*opening);
                "opening"
            }
            Target::Flow { flow, .. } => {
                row.flow_m3s = flow.get().to_string();
                "flow"
            }
            Target::Level { level, .. } => {
                row.level_m = level.get().to_string();
                "level"
            }
            Target::Shut { .. } => "shut",
            Target::Stay { .. } => "stay",
            Target::Floor { floor, .. } => {
                row.floor_m3s = floor.get().to_string();
                "floor"
            }
        };
        kind.clone_into(&mut row.kind);
        match &entry.when {
            When::Once { from, to } => {
                (row.from, row.to) = (text::written(*from, zone), text::written(*to, zone));
            }
            When::Weekly { days, begin, end, within } => {
                row.days = text::named(*days);
                (row.begin, row.end) = (text::clock(*begin), text::clock(*end));
                row.put_within(*within);
            }
            When::Season { within } => row.put_within(*within),
        }
        row.if_missed = match entry.if_missed {
            IfMissed::Late => String::new(),
            IfMissed::Skip => "skip".to_owned(),
        };
        if let Some(order) = &entry.order {
            row.order_number.clone_from(&order.number);
            row.order_giver.clone_from(&order.giver);
            row.order_receiver.clone_from(&order.receiver);
            row.order_given = order.given.map(|given| text::written(given, zone)).unwrap_or_default();
            row.order_basis.clone_from(&order.basis);
        }
        row
    }

    fn put_within(&mut self, within: Within) {
        let day = |(month, day): (i8, i8)| format!("{month:02}-{day:02}");
        if let Some(season) = within.season {
            (self.season_from, self.season_to) = (day(season.from), day(season.to));
        }
        self.valid_from = within.first.map(|date| date.to_string()).unwrap_or_default();
        self.valid_to = within.last.map(|date| date.to_string()).unwrap_or_default();
    }
}

/// Per cent that give the same opening back, with as few digits as do.
fn percent(opening: Opening) -> String {
    let exact = opening.percent();
    let rounded = (exact * 1e6).round() / 1e6;
    let same = Opening::clamped(rounded / 100.0) == opening;
    let shown = if same { rounded } else { exact };
    shown.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[(&str, &str)]) -> Row {
        let mut row = Row::default();
        for (column, text) in cells {
            (*text).clone_into(row.column(column).unwrap());
        }
        row
    }

    #[test]
    fn a_row_becomes_an_entry_and_the_entry_the_same_row() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        for cells in [
            &[
                ("id", "a"),
                ("kind", "opening"),
                ("element", "g"),
                ("opening_pct", "33.3"),
                ("from", "2026-05-04T06:00"),
                ("to", "2026-05-04T08:00"),
            ][..],
            &[
                ("id", "b"),
                ("name", "夜间补水"),
                ("kind", "flow"),
                ("element", "g"),
                ("flow_m3s", "0.35"),
                ("days", "mon fri"),
                ("begin", "22:00"),
                ("end", "06:00"),
                ("season_from", "11-15"),
                ("season_to", "03-15"),
                ("valid_from", "2026-01-01"),
                ("if_missed", "skip"),
            ],
            &[
                ("id", "c"),
                ("kind", "floor"),
                ("element", "s"),
                ("floor_m3s", "2"),
                ("valid_from", "2026-01-01"),
                ("valid_to", "2026-01-31"),
                ("order_number", "晋水调〔2026〕15号"),
                ("order_giver", "李"),
                ("order_given", "2025-12-30T09:15"),
            ],
            &[
                ("id", "d"),
                ("kind", "shut"),
                ("element", "g"),
                ("season_from", "10-01"),
                ("season_to", "05-31"),
            ],
        ] {
            let row = row(cells);
            let entry = row.entry(&zone).unwrap_or_else(|faults| panic!("{faults:?}"));
            assert_eq!(Row::of(&entry, &zone), row);
            let text = serde_json::to_string(&entry).unwrap();
            assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry, "{text}");
        }
    }

    #[test]
    fn everything_that_is_wrong_with_a_row_is_said_at_its_column() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let wrong = row(&[
            ("id", "two words"),
            ("name", "=1+1"),
            ("kind", "opening"),
            ("element", "g"),
            ("opening_pct", "120"),
            ("flow_m3s", "1"),
            ("from", "2026-05-04T08:00"),
            ("to", "2026-05-04T06:00"),
            ("days", "mon"),
            ("if_missed", "never"),
            ("order_giver", "李"),
        ]);
        let faults = wrong.entry(&zone).unwrap_err();
        let columns = faults.iter().map(|fault| fault.column).collect::<Vec<_>>();
        assert_eq!(
            columns,
            ["id", "name", "flow_m3s", "opening_pct", "days", "to", "if_missed", "order_number"]
        );
        let never = row(&[("id", "a"), ("kind", "shut"), ("element", "g")]);
        assert_eq!(never.entry(&zone).unwrap_err()[0].column, "from");
    }
}
