//! The whole view held against its journal, and proved by making it.

use std::mem::ManuallyDrop;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};

use super::{Keeper, Quarters, Query, Shared, THREAD, Trouble, find_in_journal, guarded};
use crate::shell::journal::{ACTIONS, Reader};

/// Records asked for when a view is proved.
const PROVED: usize = 1000;

/// Makes the view of a data folder that nobody uses from its journal, and asks it what the journal can answer too: the newest
/// records, and those of the gate that moved last. Gives the last sequence in it.
///
/// # Errors
/// In words, when the view cannot be made or answers otherwise.
pub fn prove(data: &Path) -> Result<u64, String> {
    let (dir, journal) = (data.join("sled"), data.join("journal"));
    let keeper = Keeper { dir, shared: Shared::of(journal.clone()) };
    let work = move || {
        guarded(|| {
            let mut view = ManuallyDrop::new(Quarters::open(&keeper.dir, &journal)?);
            keeper.catch_up(&mut view)?;
            let mut query = Query::newest(PROVED);
            let newest = find_in_journal(&journal, &query)?;
            let differs = view.find(&query)? != newest;
            query.gate = newest.into_iter().find_map(|record| record.gate);
            if differs || view.find(&query)? != find_in_journal(&journal, &query)? {
                return Err(Trouble::Unusable("the view answers otherwise than the journal".into()));
            }
            view.flush()?;
            drop(ManuallyDrop::into_inner(view));
            Ok(keeper.shared.applied.load(Ordering::Acquire))
        })
    };
    let thread = thread::Builder::new().name(THREAD.into()).spawn(work).map_err(|error| error.to_string())?;
    match thread.join() {
        Ok(Ok(last)) => Ok(last),
        Ok(Err(Trouble::Unusable(why) | Trouble::Waits(why))) => Err(why),
        Ok(Err(Trouble::Outdated)) => Err("the view is of another version".into()),
        Err(_) => Err("the view panicked".into()),
    }
}

/// What a comparison of the view with its journal showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// There is no view yet.
    NoView,
    /// They agree; the view may lack the newest records.
    Agrees,
    /// They differ, or the view is damaged, with the reason.
    Differs(String),
    /// It could not be made now: something else is wrong or in the way.
    NotMade(String),
}

/// Compares the whole view of a data folder that no service uses with its journal.
pub fn compare(data: &Path) -> Comparison {
    compare_part(data, 0..=u64::MAX)
}

/// As [`compare`], but the records with these numbers only; 0 as the first one asks for the beginning too.
pub fn compare_part(data: &Path, seqs: RangeInclusive<u64>) -> Comparison {
    let (dir, journal) = (data.join("sled"), data.join("journal"));
    if !dir.exists() {
        return Comparison::NoView;
    }
    let work = move || {
        let result = guarded(|| {
            let mut view = ManuallyDrop::new(Quarters::open(&dir, &journal)?);
            let agrees = Reader::open(&journal, ACTIONS).map_err(Trouble::from).and_then(|reader| {
                let begins = *seqs.start() > 0 || view.begins(&reader)?;
                Ok(begins && view.agrees(&reader, seqs)?)
            });
            // Whatever it showed: only after a panic it is left as it is, with its lock.
            drop(ManuallyDrop::into_inner(view));
            agrees
        });
        match result {
            Ok(true) => Comparison::Agrees,
            Ok(false) => Comparison::Differs("the view differs from the journal".into()),
            Err(Trouble::Unusable(why)) => Comparison::Differs(format!("{}: {why}", dir.display())),
            Err(Trouble::Outdated) => Comparison::NotMade(format!(
                "{}: of another version, the next start makes it anew",
                dir.display()
            )),
            Err(Trouble::Waits(why)) => Comparison::NotMade(format!("{}: {why}", dir.display())),
        }
    };
    match thread::Builder::new().name(THREAD.into()).spawn(work).map(JoinHandle::join) {
        Ok(Ok(comparison)) => comparison,
        Ok(Err(_)) => Comparison::Differs("the view panicked".into()),
        Err(error) => Comparison::NotMade(error.to_string()),
    }
}
