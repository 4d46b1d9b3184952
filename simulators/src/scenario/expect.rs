//! What a scenario is expected to show, so that a replay can say whether it did.

use std::collections::BTreeMap;

/// What is expected of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// Sections that never fall below their floor, avoidable or not.
    pub kept: Vec<String>,
    /// Sections that do.
    pub undercut: Vec<String>,
    /// Alarms that are raised, by `ID` or `ID:ELEMENT`.
    pub raised: Vec<String>,
    /// Alarms that are not.
    pub never_raised: Vec<String>,
    /// Entries of the scenario that come to pass, of those that wait for a condition.
    pub happened: Vec<String>,
    /// Those that do not: a condition as a limit.
    pub never_happened: Vec<String>,
    /// Acts of people the service carries out.
    pub accepted: Vec<String>,
    /// Those it refuses.
    pub refused: Vec<String>,
    /// No lower use is served while a higher one is short and could have been helped.
    pub in_order: bool,
}

/// What a run came to, as far as it is judged.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// Minutes below the floor by section.
    pub below: &'a BTreeMap<String, f64>,
    /// How often each alarm was raised, by `ID:ELEMENT`.
    pub alarms: &'a BTreeMap<String, usize>,
    /// Names of what happened.
    pub happened: &'a [String],
    /// What was answered to acts of people, by their names.
    pub answers: &'a BTreeMap<String, Result<String, String>>,
}

impl Expect {
    /// What the check of the order of uses found, if nothing was to be found.
    pub fn judge_order(&self, found: &[String]) -> Vec<String> {
        if self.in_order { found.to_vec() } else { Vec::new() }
    }

    /// What was expected and did not come true, one sentence each.
    pub fn judge(&self, outcome: &Outcome<'_>) -> Vec<String> {
        let below = |id: &String| outcome.below.get(id).copied().unwrap_or(0.0);
        let times = |wanted: &str| -> usize {
            let is = |key: &str| key == wanted || key.split(':').next() == Some(wanted);
            outcome.alarms.iter().filter(|(key, _)| is(key)).map(|(_, times)| times).sum()
        };
        let kept = self.kept.iter().filter(|id| below(id) > 0.0);
        let kept =
            kept.map(|id| format!("{id} was to be kept and lay below its floor for {:.1} min", below(id)));
        let undercut = self.undercut.iter().filter(|id| below(id) <= 0.0);
        let undercut = undercut.map(|id| format!("{id} was to fall below its floor and did not"));
        let raised = self.raised.iter().filter(|wanted| times(wanted) == 0);
        let raised = raised.map(|wanted| format!("alarm {wanted} was to be raised and was not"));
        let never = self.never_raised.iter().filter(|wanted| times(wanted) > 0);
        let never = never
            .map(|wanted| format!("alarm {wanted} was raised {} times and was not to be", times(wanted)));
        let happened = self.happened.iter().filter(|id| !outcome.happened.contains(id));
        let happened = happened.map(|id| format!("{id} was to happen and did not"));
        let not = self.never_happened.iter().filter(|id| outcome.happened.contains(id));
        let not = not.map(|id| format!("{id} happened and was not to"));
        let accepted = self.accepted.iter().filter_map(|id| match outcome.answers.get(id) {
            Some(Ok(_)) => None,
            Some(Err(why)) => Some(format!("{id} was to be accepted and was refused: {why}")),
            None => Some(format!("{id} was to be accepted and was never asked")),
        });
        let refused = self.refused.iter().filter_map(|id| match outcome.answers.get(id) {
            Some(Err(_)) => None,
            Some(Ok(_)) => Some(format!("{id} was to be refused and was accepted")),
            None => Some(format!("{id} was to be refused and was never asked")),
        });
        let met = kept.chain(undercut).chain(raised).chain(never).chain(happened).chain(not);
        met.chain(accepted).chain(refused).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn every_expectation_that_fails_is_told() {
        let below = BTreeMap::from([("out".to_owned(), 0.0), ("far".to_owned(), 12.5)]);
        let alarms = BTreeMap::from([("A31:u1".to_owned(), 1), ("A12:v1".to_owned(), 2)]);
        let happened = list(&["trip"]);
        let answers = BTreeMap::from([
            ("sign".to_owned(), Ok("in force".to_owned())),
            ("ask".to_owned(), Err("no such gate".to_owned())),
        ]);
        let outcome = Outcome { below: &below, alarms: &alarms, happened: &happened, answers: &answers };
        let good = Expect {
            kept: list(&["out"]),
            undercut: list(&["far"]),
            raised: list(&["A31:u1", "A12"]),
            never_raised: list(&["A31:u2", "A1"]),
            happened: list(&["trip"]),
            never_happened: list(&["flood"]),
            accepted: list(&["sign"]),
            refused: list(&["ask"]),
            in_order: true,
        };
        assert_eq!(good.judge(&outcome), Vec::<String>::new());
        let bad = Expect {
            kept: list(&["far"]),
            undercut: list(&["out"]),
            raised: list(&["A09"]),
            never_raised: list(&["A12"]),
            happened: list(&["flood"]),
            never_happened: list(&["trip"]),
            accepted: list(&["ask", "end"]),
            refused: list(&["sign", "end"]),
            in_order: false,
        };
        let found = list(&["order of uses"]);
        assert_eq!((good.judge_order(&found), bad.judge_order(&found)), (found.clone(), Vec::new()));
        assert_eq!(
            bad.judge(&outcome),
            [
                "far was to be kept and lay below its floor for 12.5 min",
                "out was to fall below its floor and did not",
                "alarm A09 was to be raised and was not",
                "alarm A12 was raised 2 times and was not to be",
                "flood was to happen and did not",
                "trip happened and was not to",
                "ask was to be accepted and was refused: no such gate",
                "end was to be accepted and was never asked",
                "sign was to be refused and was accepted",
                "end was to be refused and was never asked",
            ]
        );
    }
}
