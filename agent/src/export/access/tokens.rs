//! Tokens that requests may bear.

use anyhow::{bail, ensure};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

/// A shorter one could be guessed.
const SHORTEST: usize = 16;

/// A token as it is kept: comparing sums of one length tells nothing of the token's.
type Sum = [u8; 32];

/// All tokens of a file.
#[derive(Clone)]
pub(super) struct Tokens(Vec<Sum>);

impl Tokens {
    /// From lines with a token each; empty ones and those that begin with `#` are left out. Errors never show a token.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut tokens = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let token = line.trim();
            if token.is_empty() || token.starts_with('#') {
                continue;
            }
            if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                bail!("line {number} is no token: write one a line, of visible ASCII characters without spaces");
            }
            ensure!(
                token.len() >= SHORTEST,
                "the token in line {number} has {} characters: write at least {SHORTEST}, as `openssl rand -hex 32` does",
                token.len()
            );
            tokens.push(sum(token.as_bytes()));
        }
        ensure!(!tokens.is_empty(), "there is no token in it: write one a line, as `openssl rand -hex 32` makes them");
        Ok(Self(tokens))
    }

    /// Whether `presented` is one of them; takes as long whichever it is.
    pub(super) fn have(&self, presented: &[u8]) -> bool {
        let presented = sum(presented);
        let found = self.0.iter().fold(Choice::from(0), |found, token| found | token.ct_eq(&presented));
        found.into()
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Tokens({})", self.0.len())
    }
}

fn sum(token: &[u8]) -> Sum {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_of_the_tokens_is_good_and_nothing_else() {
        let tokens = Tokens::parse("# Prometheus\n0123456789abcdef\n\n  fedcba9876543210fedcba  \n").unwrap();
        assert!(tokens.have(b"0123456789abcdef") && tokens.have(b"fedcba9876543210fedcba"));
        for wrong in ["", "0123456789abcde", "0123456789abcdef0", "# Prometheus", "0123456789ABCDEF"] {
            assert!(!tokens.have(wrong.as_bytes()), "{wrong}");
        }
        assert_eq!(format!("{tokens:?}"), "Tokens(2)");
    }

    #[test]
    fn what_is_wrong_is_told_by_its_line_and_not_shown() {
        for (text, told) in [
            ("# only this\n", "there is no token in it"),
            ("0123456789abcdef\n\nsecret\n", "the token in line 3 has 6 characters"),
            ("0123456789 abcdef\n", "line 1 is no token"),
            ("0123456789abcdef\u{fc}\n", "line 1 is no token"),
        ] {
            let error = Tokens::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(told) && !error.contains("secret"), "{error}");
        }
    }
}
