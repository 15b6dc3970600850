//! A pattern of names: of topics, of transactional ids. It is matched in time linear in the name, whatever the pattern.

use regex::Regex;
use regex::RegexBuilder;

/// Bytes of a compiled pattern, and of what matching keeps.
const COMPILED_BYTES_MAX: usize = 256 << 10;
/// Bytes of its text.
const TEXT_BYTES_MAX: usize = 4096;

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct InvalidPattern {
    /// What is wrong with it.
    pub reason: String,
}

/// Fits whole names, as Kafka's patterns do.
#[derive(Debug, Clone)]
pub struct NamePattern(Regex);

impl NamePattern {
    /// Reads a pattern, in the syntax of `regex`.
    pub fn compile(text: &str) -> Result<Self, InvalidPattern> {
        if TEXT_BYTES_MAX < text.len() {
            let reason = format!("it has {} bytes, {TEXT_BYTES_MAX} are allowed", text.len());
            return Err(InvalidPattern { reason });
        }
        let compile = |text: &str| {
            let compiled =
                RegexBuilder::new(text).size_limit(COMPILED_BYTES_MAX).dfa_size_limit(COMPILED_BYTES_MAX).build();
            // The error's text is of several lines that draw the pattern; the last one says what is wrong.
            let reason = |error: regex::Error| error.to_string().lines().last().unwrap_or_default().to_string();
            compiled.map_err(|error| InvalidPattern { reason: reason(error) })
        };
        // By itself first: `a)|(b` must not become a pattern by what is put around it.
        compile(text)?;
        Ok(Self(compile(&format!(r"\A(?:{text})\z"))?))
    }

    /// Whether it is the whole name.
    pub fn fits(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_whole_names_only() {
        let pattern = NamePattern::compile("a+|b").expect("a pattern");
        let fitting: Vec<_> =
            ["a", "aa", "b", "ab", "xa", "ax", ""].into_iter().filter(|name| pattern.fits(name)).collect();
        assert_eq!(fitting, ["a", "aa", "b"]);
        assert!(NamePattern::compile(r"(?i)TOP\w+\p{L}").expect("a pattern").fits("topic"), "classes have room");
        assert!(NamePattern::compile("^t.*$").expect("a pattern").fits("topic"), "anchors of its own do no harm");
    }

    #[test]
    fn what_is_no_pattern_or_too_large_is_refused() {
        for text in ["a)|(b", "(", "[", r"(a)\1", "(?=a)", "(a{1000}){1000}", &"a".repeat(5000)] {
            assert!(NamePattern::compile(text).is_err(), "{text}");
        }
    }
}
