//! What the demo shows, as lines of a given width: nothing here knows a terminal.

use std::time::Duration;

use super::progress::PLOT_SECONDS;
use super::progress::Progress;
use super::progress::Told;
use crate::cli::datagen::Kind;
use crate::cli::datagen::Score;

/// Lines that are drawn, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    Plain(String),
    Strong(String),
}

/// How plots are drawn: least to greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bars {
    Blocks,
    Letters,
}

impl Bars {
    fn characters(self) -> [char; 8] {
        match self {
            Self::Blocks => ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
            Self::Letters => ['.', '_', '-', '=', '+', '*', '%', '#'],
        }
    }
}

/// Alerts over which delays are shown while it goes on.
const RECENT: usize = 500;

/// Lines of a picture beside those of the newest alerts.
const FRAME: usize = 19;
/// From here on an alert has room for its reason; elsewhere the details tell it.
const WIDE: usize = 60;

/// The picture at a moment, of at most `height` lines if that is enough for all but alerts. `address` is the server's door.
pub(super) fn picture(
    progress: &Progress,
    now: Duration,
    address: &str,
    (width, height): (usize, usize),
    bars: Bars,
) -> Vec<Line> {
    let elapsed = progress.elapsed(now);
    let payments = progress.acknowledged;
    let alerts = progress.alerts.len() as u64;
    let mut lines = vec![
        Line::Strong(format!("Tidemill looks for fraud{:>14}", clock(elapsed))),
        Line::Plain(String::new()),
        Line::Plain(format!("payments  {:>11}  {:>9}/s", grouped(payments), grouped(per_second(progress, |it| it.0)))),
        Line::Plain(format!(
            "alerts    {:>11}  {:>9}/min",
            grouped(alerts),
            grouped(60 * per_second(progress, |it| it.1))
        )),
        Line::Plain(freshness(progress)),
        Line::Plain(String::new()),
    ];
    for kind in Kind::ALL {
        lines.push(Line::Plain(format!("{:<19}{:>9}", kind.name(), grouped(progress.per_kind[kind as usize]))));
    }
    lines.push(Line::Plain(String::new()));
    let room = width.saturating_sub(22).clamp(1, PLOT_SECONDS);
    let rates = |of: fn(&(u64, u64)) -> u64| {
        // The running second is not over yet.
        let whole = progress.seconds.len() - 1;
        let first = whole.saturating_sub(room);
        progress.seconds.iter().take(whole).skip(first).map(|second| 60 * of(second)).collect::<Vec<u64>>()
    };
    lines.push(Line::Plain(plot("payments/min", &rates(|it| it.0), bars)));
    lines.push(Line::Plain(plot("alerts/min", &rates(|it| it.1), bars)));
    lines.push(Line::Plain(String::new()));
    let hidden = progress.newest.len().saturating_sub(height.saturating_sub(FRAME));
    lines.extend(progress.newest.iter().skip(hidden).map(|told| Line::Plain(alert(told, width))));
    lines.push(Line::Plain(String::new()));
    lines.push(Line::Strong(psql(address)));
    lines.push(Line::Plain("SELECT * FROM alerts WHERE score > 0.9;".to_string()));
    lines.push(Line::Plain("Ctrl-C ends it.".to_string()));
    lines.into_iter().map(|line| cut(line, width)).collect()
}

/// The whole state in one line, for who has no terminal.
pub(super) fn sentence(progress: &Progress, now: Duration) -> String {
    let seconds = progress.elapsed(now).as_secs();
    let (payments, alerts) = (grouped(progress.acknowledged), grouped(progress.alerts.len() as u64));
    format!("{seconds} s: {payments} payments, {alerts} alerts, {}\n", freshness(progress))
}

/// What there is to say at the end.
pub(super) fn summary(progress: &Progress, now: Duration, width: usize) -> String {
    let score = Score::of(&progress.labels, &progress.alerts);
    let took = match progress.delays(usize::MAX) {
        Some((median, high)) => format!("From payment to alert: p50 {}, p99 {}.\n", ms(median), ms(high)),
        None => String::new(),
    };
    format!(
        "{} payments in {:.1} s; {} alerts in all.\n{took}\nHeld against the labels, which the server never saw:\n\n{}",
        grouped(progress.new_payments()),
        progress.elapsed(now).as_secs_f64(),
        grouped(progress.alerts.len() as u64),
        score.table(width)
    )
}

/// How to ask the server.
pub(super) fn psql(address: &str) -> String {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "7432"));
    format!("psql -h {host} -p {port}")
}

fn freshness(progress: &Progress) -> String {
    let behind = progress.behind.map_or("-".to_string(), grouped);
    let delays = progress.delays(RECENT);
    let delays = delays.map_or(String::new(), |(median, high)| format!(", p50 {} p99 {}", ms(median), ms(high)));
    format!("behind {behind}{delays}")
}

fn alert(told: &Told, width: usize) -> String {
    let Told { card, reason, details } = told;
    if width < WIDE { format!("{card} {details}") } else { format!("{card}  {:<18} {details}", reason.name()) }
}

/// The last whole second's, or the running one's at the very beginning.
fn per_second(progress: &Progress, of: fn(&(u64, u64)) -> u64) -> u64 {
    let last_whole = progress.seconds.len().saturating_sub(2);
    // A mean over a few seconds does not flicker.
    let first = last_whole.saturating_sub(4);
    let seconds: Vec<u64> = progress.seconds.iter().take(last_whole + 1).skip(first).map(of).collect();
    seconds.iter().sum::<u64>() / seconds.len().max(1) as u64
}

fn plot(name: &str, rates: &[u64], bars: Bars) -> String {
    let characters = bars.characters();
    let highest = rates.iter().copied().max().unwrap_or(0);
    let bar = |rate: &u64| characters[(*rate * (characters.len() as u64 - 1)).div_ceil(highest.max(1)) as usize];
    format!("{name:<12}{:>9} {}", grouped(highest), rates.iter().map(bar).collect::<String>())
}

fn cut(line: Line, width: usize) -> Line {
    // A number without its last digits would be another one.
    let cut = |text: String| match text.chars().count() <= width {
        true => text,
        false => text.chars().take(width.saturating_sub(1)).chain(['>']).collect(),
    };
    match line {
        Line::Plain(text) => Line::Plain(cut(text)),
        Line::Strong(text) => Line::Strong(cut(text)),
    }
}

fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    match seconds / 3600 {
        0 => format!("{:02}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

fn ms(duration: Duration) -> String {
    format!("{:.0} ms", duration.as_secs_f64() * 1000.0)
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index != 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::datagen::Alert;
    use crate::cli::demo::fraud::progress::NEWEST;
    use crate::cli::demo::fraud::progress::Shared;

    fn picture_at(width: usize, height: usize, bars: Bars) -> Vec<Line> {
        let second = Duration::from_secs;
        let shared = Shared::new(second(0), 0);
        shared.with(|progress| {
            for at in 0..9 {
                progress.acknowledge(1000 * at, second(at));
            }
            let alert = Alert { reason: Kind::Velocity, payments: vec![7] };
            let details = "6 payments in 10 minutes".to_string();
            let told = Told { card: "c00012".to_string(), reason: Kind::Velocity, details };
            for _ in 0..NEWEST {
                progress.alert(alert.clone(), told.clone(), second(8));
            }
            progress.behind = Some(1234);
            progress.tick(second(9));
            picture(progress, second(9), "127.0.0.1:7432", (width, height), bars)
        })
    }

    fn text(line: &Line) -> &str {
        match line {
            Line::Plain(text) | Line::Strong(text) => text,
        }
    }

    #[test]
    fn a_picture_tells_counts_rates_freshness_and_how_to_ask() {
        let lines = picture_at(80, 25, Bars::Letters);
        let all: Vec<&str> = lines.iter().map(text).collect();
        for expected in [
            "Tidemill looks for fraud         00:09",
            "payments       36,000      6,000/s",
            "behind 1,234",
            "velocity                   6",
            "payments/min  480,000 ._-=+*%##",
            "alerts/min          0 .........",
            "c00012  velocity           6 payments in 10 minutes",
            "psql -h 127.0.0.1 -p 7432",
        ] {
            assert!(all.contains(&expected), "{expected} is not in {all:#?}");
        }
    }

    #[test]
    fn a_picture_fits_every_terminal() {
        for width in [1, 20, 40, 80, 300] {
            for line in picture_at(width, 25, Bars::Blocks) {
                assert!(text(&line).chars().count() <= width);
            }
        }
        for (height, lines) in [(40, 25), (25, 25), (23, 23), (19, 19), (10, 19)] {
            let narrow = picture_at(40, height, Bars::Blocks);
            assert_eq!(narrow.len(), lines);
            assert!(narrow.iter().any(|line| text(line) == "psql -h 127.0.0.1 -p 7432"));
            let alerts = narrow.iter().filter(|line| text(line) == "c00012 6 payments in 10 minutes");
            assert_eq!(alerts.count(), lines - FRAME);
        }
    }

    #[test]
    fn numbers_are_grouped_and_times_shown() {
        assert_eq!([0, 12, 123, 1234, 1_234_567].map(grouped), ["0", "12", "123", "1,234", "1,234,567"]);
        assert_eq!(clock(Duration::from_secs(3 * 3600 + 62)), "3:01:02");
    }
}
