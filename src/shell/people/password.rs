//! Passwords: what makes one good enough, how it is kept, and whether one is right.
//!
//! Kept as an Argon2id string with a salt of its own. Memory, passes and lanes are those OWASP advises (password storage
//! cheat sheet: 19 MiB, 2, 1); a hash made with others is made anew at the next sign-in.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use ring::rand::{SecureRandom, SystemRandom};

use super::PeopleError;

/// Memory, KiB.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over it.
const PASSES: u32 = 2;
/// Lanes.
const LANES: u32 = 1;
/// Bytes of salt.
const SALT: usize = 16;
/// Fewest characters. Source: OWASP ASVS 5.0, 6.2.1.
const LEAST: usize = 8;
/// Most characters; ASVS asks for 64 at least.
const MOST: usize = 128;
/// What is tried first everywhere, in small letters; those with fewer than eight characters fall by their length.
const COMMON: &str = "password password1 password123 passw0rd p@ssw0rd p@ssword 12345678 123456789 1234567890 0123456789 \
    87654321 987654321 11111111 00000000 88888888 66666666 12341234 11223344 123123123 147258369 123456abc abc12345 abcd1234 \
    a1234567 a12345678 1q2w3e4r 1qaz2wsx 1qazxsw2 q1w2e3r4 qwertyui qwerty123 qwertyuiop asdfghjk asdfghjkl zxcvbnm1 \
    iloveyou sunshine princess football baseball superman trustno1 letmein1 welcome1 welcome123 admin123 admin1234 \
    administrator changeme changeme1 default1 operator operator1 woaini1314 woaini520 5201314520 qwer1234 asdf1234 \
    aa123456 aa12345678 password! internet computer whatever starwars dragon12 monkey12 master12 shadow12 michael1 \
    jennifer jordan23 liverpool chelsea1 arsenal1 secret123 test1234 testtest guest123 root1234 toor1234 scada123 \
    modbus123 qindan123 qindanhe jincheng jincheng1 zhangfeng runcheng";

/// Whether `password` is good enough for the user `name`.
///
/// # Errors
/// What is wrong with it.
pub fn check(password: &str, name: &str) -> Result<(), PeopleError> {
    let length = password.chars().count();
    let small = password.to_lowercase();
    let mut characters = small.chars();
    let first = characters.next();
    let why = if length < LEAST {
        "has fewer than 8 characters; 15 or more are better, a sentence is easy to keep"
    } else if length > MOST {
        "has more than 128 characters"
    } else if COMMON.split_whitespace().any(|common| common == small) {
        "is among the first that are tried everywhere"
    } else if characters.all(|each| Some(each) == first) {
        "is one character over and over"
    } else if name.chars().count() > 2 && small.contains(&name.to_lowercase()) {
        "has the user's name in it"
    } else {
        return Ok(());
    };
    Err(PeopleError::Password(why))
}

/// A hash of nothing anybody types, with the numbers above.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$cWluZGFuIG5vYm9keSBoZQ$\
                      AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn hasher() -> Result<Argon2<'static>, PeopleError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| failed(&error))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn failed(error: &dyn std::fmt::Display) -> PeopleError {
    PeopleError::Hash(error.to_string())
}

/// The string to keep for `password`; costs 19 MiB and tens of milliseconds.
///
/// # Errors
/// When the system gives no random bytes.
pub fn hash(password: &str) -> Result<String, PeopleError> {
    let mut salt = [0; SALT];
    SystemRandom::new().fill(&mut salt).map_err(|error| failed(&error))?;
    let kept = hasher()?.hash_password_with_salt(password.as_bytes(), &salt);
    Ok(kept.map_err(|error| failed(&error))?.to_string())
}

/// Whether `password` is the one kept as `kept`. Without one as much work is done, and the answer is no.
pub(super) fn is_right(password: &str, kept: Option<&str>) -> bool {
    let Ok(hasher) = hasher() else { return false };
    let known = kept.and_then(|kept| PasswordHash::new(kept).ok());
    let nobody = PasswordHash::new(NOBODY).ok();
    // A password longer than any that is kept is cut off: its work is bounded.
    let bytes = password.as_bytes().get(..password.len().min(4 * MOST)).unwrap_or_default();
    match (known, nobody) {
        (Some(known), _) => hasher.verify_password(bytes, &known).is_ok() && password.len() <= 4 * MOST,
        (None, Some(nobody)) => hasher.verify_password(bytes, &nobody).is_ok() && kept.is_some(),
        (None, None) => false,
    }
}

/// Whether a hash was made with other numbers than those of this build.
pub(super) fn is_outdated(kept: &str) -> bool {
    !kept.starts_with(&format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_argon2id_with_a_salt_of_its_own() {
        let (one, other) = (hash("sweet water 7").unwrap(), hash("sweet water 7").unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, other);
        assert!(is_right("sweet water 7", Some(&one)) && !is_right("sweet water 8", Some(&one)));
        assert!(!is_right("sweet water 7", None) && !is_right("", Some("no hash")));
        assert!(
            PasswordHash::new(NOBODY).is_ok() && !is_outdated(NOBODY),
            "as much work for nobody as for somebody"
        );
        assert!(!is_outdated(&one) && is_outdated("$argon2id$v=19$m=4096,t=3,p=1$a$b"));
    }

    #[test]
    fn easy_passwords_are_refused_and_long_ones_are_not() {
        for wrong in [
            "short",
            "1234567",
            "Password123",
            "88888888",
            "aaaaaaaaaaaa",
            "liming-liming",
            "x".repeat(129).as_str(),
        ] {
            assert!(check(wrong, "liming").is_err(), "{wrong}");
        }
        for right in ["sweet water 7", "沁河水清岸绿景美", "x1".repeat(64).as_str()] {
            assert!(check(right, "liming").is_ok(), "{right}");
        }
    }
}
