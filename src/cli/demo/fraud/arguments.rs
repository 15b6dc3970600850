//! The arguments of the fraud demo.

use std::time::Duration;

use crate::cli::datagen::MadeFrom;
use crate::cli::datagen::positive;

/// How the fraud demo runs.
#[derive(Debug, Clone, clap::Args)]
pub struct FraudArguments {
    /// Ends it after so long (30s, 5min), with a summary; without it, it goes on until Ctrl-C
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub(super) lasts: Option<Duration>,
    /// Ends it after so many payments
    #[arg(long, value_name = "NUMBER")]
    pub(super) count: Option<u64>,
    /// Payments a second
    #[arg(long, value_name = "NUMBER", default_value_t = 1000.0, value_parser = positive)]
    pub(super) rate: f64,
    #[command(flatten)]
    pub(super) made: MadeFrom,
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a duration such as 30s, 5min or 1h is needed".to_string();
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let seconds = match text[digits..].trim() {
        "" | "s" => 1,
        "min" | "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    // A year is more than anybody looks on.
    let seconds = number.checked_mul(seconds).filter(|seconds| (1..=31_536_000).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_or_are_seconds() {
        let seconds = |text| duration(text).ok().map(|duration| duration.as_secs());
        assert_eq!(["30s", "30", "5min", "2 m", "1h"].map(seconds), [30, 30, 300, 120, 3600].map(Some));
        for wrong in ["", "s", "0s", "-1s", "1.5s", "3 weeks", "99999999999999999999s", "18446744073709551615h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
