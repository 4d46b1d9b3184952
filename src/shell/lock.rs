//! Patience with locks that are about to be free.
//!
//! The lock of a file lives on in every child process that was forked while it was held and has not started its own
//! program yet. So a lock may be found held a moment after its holder closed it or ended: neither another service nor
//! damage.

use std::thread;
use std::time::Duration;

/// Pause between two tries, real time.
const PAUSE: Duration = Duration::from_millis(10);

/// Repeats `attempt` while its result is `held`, for about `patience`; gives its last result.
#[expect(clippy::disallowed_methods, reason = "nothing tells when another process gives up a lock")]
pub(super) fn patiently<T>(
    patience: Duration,
    held: impl Fn(&T) -> bool,
    mut attempt: impl FnMut() -> T,
) -> T {
    let tries = patience.as_millis() / PAUSE.as_millis();
    for _ in 0..tries {
        let result = attempt();
        if !held(&result) {
            return result;
        }
        thread::sleep(PAUSE);
    }
    attempt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_tried_until_it_is_free_or_patience_ends() {
        let tries = |free_at: u32| {
            let mut tries = 0;
            let last = patiently(
                3 * PAUSE,
                |free| !free,
                || {
                    tries += 1;
                    tries == free_at
                },
            );
            (last, tries)
        };
        assert_eq!(tries(1), (true, 1));
        assert_eq!(tries(3), (true, 3));
        assert_eq!(tries(9), (false, 4));
    }
}
