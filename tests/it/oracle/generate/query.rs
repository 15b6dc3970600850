//! A query of a random shape, in both dialects.

use super::Draw;
use super::streams;
use super::tables;
use crate::oracle::derived;
use crate::oracle::inner_tables;
use crate::oracle::ranks;
use crate::oracle::unions;

/// The windows of a query; all spans in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Windows {
    /// Tumbling if `advance` is `size`, else hopping.
    Fixed {
        size: i64,
        advance: i64,
        grace: i64,
    },
    Session {
        gap: i64,
        grace: i64,
    },
}

impl Windows {
    pub(super) fn draw(draw: &Draw, may_be_late: bool) -> Self {
        let grace = if may_be_late { *draw.of(&[0, 3_000, 10_000, 1_000_000]) } else { 100_000_000 };
        let size = *draw.of(&[1_000, 7_000, 60_000]);
        match draw.below(3) {
            0 => Windows::Fixed { size, advance: size, grace },
            1 => {
                let (size, advance) = *draw.of(&[(6_000, 2_000), (10_000, 4_000), (7_000, 1_000), (60_000, 15_000)]);
                Windows::Fixed { size, advance, grace }
            }
            _ => Windows::Session { gap: *draw.of(&[1_000, 4_000, 12_000]), grace },
        }
    }

    /// How long rows of windows are kept from their start, or a session's from its end: not shorter than they are open.
    pub(super) fn retention(self, draw: &Draw) -> i64 {
        let (Windows::Fixed { size: open, grace, .. } | Windows::Session { gap: open, grace }) = self;
        open + grace + draw.below(60_000) as i64
    }

    pub(super) fn clause(self, retention: Option<i64>) -> String {
        let retention = retention.map_or(String::new(), |retention| format!(", RETENTION {retention} MILLISECONDS"));
        match self {
            Windows::Fixed { size, advance, grace } if size == advance => {
                format!(" WINDOW TUMBLING (SIZE {size} MILLISECONDS{retention}, GRACE PERIOD {grace} MILLISECONDS)")
            }
            Windows::Fixed { size, advance, grace } => format!(
                " WINDOW HOPPING (SIZE {size} MILLISECONDS, ADVANCE BY {advance} MILLISECONDS{retention}, GRACE PERIOD {grace} MILLISECONDS)"
            ),
            Windows::Session { gap, grace } => {
                format!(" WINDOW SESSION ({gap} MILLISECONDS{retention}, GRACE PERIOD {grace} MILLISECONDS)")
            }
        }
    }
}

/// What a query does, so that the model knows which answer to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A projection and a filter: one row out per row in.
    Stateless,
    /// `GROUP BY`, over all time or in windows; grouped `again` without windows.
    Grouped { window: Option<Windows>, last: bool, retention: Option<i64>, ranked: bool, again: bool },
    /// Stream joined with the table as of each row's turn.
    Joined { left: bool },
    /// Stream joined with the stream `r` or, if `twice`, with itself.
    Paired { pairing: Pairing, twice: bool },
    /// Tables joined by their keys, or one by what it names of another; `chain` of them with more than two.
    Tables { chain: bool, foreign: bool },
    /// `GROUP BY` over a table or two, whose rows are taken back.
    TableGroups,
    /// The first rows of each partition of the stream.
    Top,
    /// The same of a table or two.
    TableTop,
    /// Groups of groups or of ranked rows of tables, and tables joined with groups.
    InnerTables,
    /// Rows of a table that others have, or have not.
    SemiJoins,
    /// Rows of the table, kept for so many milliseconds after their event time.
    Kept { ttl: i64 },
    /// The windowed views `ws` and `wr` joined by key and window.
    WindowPairs,
    /// The streams `s` and `r` beside each other, as they are or (`view`) grouped.
    United { view: bool, windowed: bool },
}

/// The size of the windows of `ws` and `wr`, over `s` and `r`, in milliseconds.
pub const WINDOW: i64 = 7_000;

/// How two streams are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pairing {
    pub keeps_left: bool,
    pub keeps_right: bool,
    /// Milliseconds.
    pub before: i64,
    pub after: i64,
    pub grace: i64,
    /// Joined by column `a` in place of the key.
    pub by_value: bool,
}

/// A query in both dialects: standing, and batch over what it accepted.
#[derive(Debug, Clone)]
pub struct Query {
    pub shape: Shape,
    pub standing: String,
    /// Over a table `s` with the stream's columns and `ws` and `we`, the window's bounds in milliseconds.
    pub batch: String,
    /// The standing query's WHERE clause, if it has one.
    pub filter: String,
    /// The groups, as a list of expressions.
    pub group: String,
    /// The number of leading columns that are the key of a kept view; 0 for streams.
    pub keys: usize,
    /// WITH of the batch query, and of what else is asked of the stream: what the sub-queries of the standing query make of it.
    pub below: String,
}

impl Query {
    /// A query with a view by one column, whose text the batch query is too.
    pub fn asked_alike(shape: Shape, text: String) -> Self {
        let none = String::new;
        Self { shape, standing: text.clone(), batch: text, filter: none(), group: none(), keys: 1, below: none() }
    }
}

/// A query of a random shape. `may_be_late`: grace so short that rows are late, which only one partition can model.
/// `only`: of one kind.
pub fn query(draw: &Draw, may_be_late: bool, only: Option<&str>) -> Query {
    loop {
        let query = plain_query(draw, may_be_late);
        let query = if draw.once_in(3) { derived::wrapped(draw, query) } else { query };
        if only.is_none_or(|kind| query.is_of(kind)) {
            return query;
        }
    }
}

fn plain_query(draw: &Draw, may_be_late: bool) -> Query {
    match draw.below(27) {
        25 | 26 => inner_tables::semi_joins(draw),
        21 | 22 => {
            let window = draw.once_in(2).then(|| Windows::draw(draw, may_be_late));
            inner_tables::of_stream(draw, window.map(|window| (window, window.clause(None))))
        }
        23 | 24 => inner_tables::of_tables(draw),
        19 | 20 => unions::of_streams(draw),
        18 => derived::distinct(draw),
        12 | 13 => ranks::of_stream(draw),
        14 => ranks::of_tables(draw),
        15 | 16 => streams::window_pairs(draw),
        17 => tables::kept(draw),
        6 | 7 => tables::tables(draw),
        10 | 11 => tables::table_groups(draw),
        8 | 9 => tables::references(draw),
        0 => streams::stateless(draw),
        1 => streams::joined(draw),
        2 | 3 => streams::paired(draw, may_be_late),
        _ => streams::grouped(draw, may_be_late),
    }
}
