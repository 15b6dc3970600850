//! Joins of two streams, row by row and by brute force: each row against all that came before it.

use super::generate::Event;
use super::generate::Pairing;
use super::generate::STREAM_COLUMNS;
use super::model::cells;

type Cells = Vec<Option<String>>;

/// Joined rows, and how many input rows came too late.
pub struct Pairs {
    pub rows: Vec<Cells>,
    pub late: u64,
}

/// A row that waits for others.
struct Waiting {
    time: i64,
    /// What it is joined by; null meets nothing.
    key: String,
    cells: Cells,
    closes: i64,
    met: bool,
    left: bool,
    gone: bool,
}

/// The columns of a joined row: those of the stream twice, as `l_` and `r_`.
pub fn columns() -> Vec<(String, &'static str)> {
    let side = |side: &'static str| STREAM_COLUMNS.iter().map(move |(name, of)| (format!("{side}_{name}"), *of));
    side("l").chain(side("r")).collect()
}

/// All pairs of `left` and `right`, or of `left` with itself. The second stream's rows come after the first's at equal times.
pub fn pairs(pairing: &Pairing, left: &[Event], right: Option<&[Event]>) -> Pairs {
    let mut model = Model { pairing, waiting: Vec::new(), pairs: Pairs { rows: Vec::new(), late: 0 }, now: i64::MIN };
    let empty: &[Event] = &[];
    let inputs = [left, right.unwrap_or(empty)];
    let (mut at, mut clocks) = ([0, 0], [i64::MIN; 2]);
    let waits = |input: usize| !inputs[input].is_empty();
    loop {
        let head = |input: usize| inputs[input].get(at[input]).map(|event| (event.time, input));
        let Some((_, input)) = [head(0), head(1)].into_iter().flatten().min() else { break };
        let event = &inputs[input][at[input]];
        at[input] += 1;
        clocks[input] = clocks[input].max(event.time);
        let clock = (0..2).filter(|input| waits(*input)).map(|input| clocks[input]).min().unwrap_or(i64::MIN);
        model.close(clock);
        if right.is_some() {
            model.take(event, input == 0);
        } else {
            model.take(event, true);
            model.take(event, false);
        }
    }
    model.pairs
}

struct Model<'a> {
    pairing: &'a Pairing,
    waiting: Vec<Waiting>,
    pairs: Pairs,
    now: i64,
}

impl Model<'_> {
    /// Time moves: what has closed is gone, and leaves alone if it met nobody.
    fn close(&mut self, clock: i64) {
        self.now = self.now.max(clock);
        for row in self.waiting.iter_mut().filter(|row| !row.gone && row.closes <= self.now) {
            row.gone = true;
            if !row.met && self.pairing.keeps(row.left) {
                self.pairs.rows.push(alone(&row.cells, row.left));
            }
        }
    }

    fn take(&mut self, event: &Event, left: bool) {
        let cells = cells(event);
        let key = if self.pairing.by_value { cells[1].clone() } else { cells[0].clone() };
        let after = if left { self.pairing.after } else { self.pairing.before };
        let closes = event.time + after + self.pairing.grace + 1;
        let is_late = key.is_some() && closes <= self.now;
        self.pairs.late += u64::from(is_late);
        let Some(key) = key.filter(|_| !is_late) else {
            if self.pairing.keeps(left) {
                self.pairs.rows.push(alone(&cells, left));
            }
            return;
        };
        let mut met = false;
        for other in self.waiting.iter_mut().filter(|other| other.left != left && !other.gone && other.key == key) {
            let (one, two) = if left { (event.time, other.time) } else { (other.time, event.time) };
            if one - self.pairing.before <= two && two <= one + self.pairing.after {
                other.met = true;
                met = true;
                let (one, two) = if left { (&cells, &other.cells) } else { (&other.cells, &cells) };
                self.pairs.rows.push(one.iter().chain(two).cloned().collect());
            }
        }
        self.waiting.push(Waiting { time: event.time, key, cells, closes, met, left, gone: false });
    }
}

impl Pairing {
    fn keeps(&self, left: bool) -> bool {
        if left { self.keeps_left } else { self.keeps_right }
    }
}

/// A row beside nulls.
fn alone(cells: &Cells, left: bool) -> Cells {
    let nulls = vec![None; cells.len()];
    match left {
        true => cells.iter().cloned().chain(nulls).collect(),
        false => nulls.into_iter().chain(cells.iter().cloned()).collect(),
    }
}
