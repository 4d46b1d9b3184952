//! Secrets, from where they are kept; never told on, not even in an error.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::config::notify::{Mail, Notify, Secret, Url, Way};

/// What a secret says now.
///
/// # Errors
/// Why it cannot be had.
pub fn read(secret: &Secret) -> Result<String, String> {
    match secret {
        Secret::File(path) => {
            let shown = path.display();
            let meta = fs::metadata(path).map_err(|error| format!("{shown}: {error}"))?;
            let mode = meta.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(format!("{shown}: mode {mode:04o}, others can read this secret; `chmod 600` it"));
            }
            let text = fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
            told(&text, &shown.to_string())
        }
        Secret::Variable(name) => {
            let text = std::env::var(name).map_err(|_| format!("${name}: not set, or no text"))?;
            told(&text, &format!("${name}"))
        }
    }
}

fn told(text: &str, from: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() { Err(format!("{from}: is empty")) } else { Ok(text.to_owned()) }
}

/// What keeps notices from being sent from this machine, by receiver: secrets that cannot be had. For `qindan check`.
pub fn missing(rules: &Notify) -> Vec<String> {
    let mut missing = Vec::new();
    let mut look = |of: &str, secret: &Secret| {
        if let Err(why) = read(secret) {
            missing.push(format!("{of}: {why}"));
        }
    };
    if let Some(Mail { user: Some((_, password)), .. }) = &rules.mail {
        look("mail", password);
    }
    for receiver in &rules.receivers {
        let Way::Hook(hook) = &receiver.way else { continue };
        let of = format!("receiver {}", receiver.id);
        if let Url::Kept(secret) = &hook.url {
            look(&of, secret);
        }
        hook.key.iter().for_each(|secret| look(&of, secret));
        hook.headers.iter().for_each(|(_, secret)| look(&of, secret));
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_from_a_file_that_is_ours_alone_and_never_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let secret = Secret::File(path.clone());
        assert!(read(&secret).unwrap_err().contains("password"), "there is none");
        fs::write(&path, "sweet water\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = read(&secret).unwrap_err();
        assert!(refused.contains("0640") && !refused.contains("sweet"), "{refused}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read(&secret).unwrap(), "sweet water");
        fs::write(&path, " \n").unwrap();
        assert!(read(&secret).unwrap_err().contains("is empty"));
        assert!(read(&Secret::Variable("QINDAN_NO_SUCH_SECRET".into())).unwrap_err().contains("not set"));
    }
}
