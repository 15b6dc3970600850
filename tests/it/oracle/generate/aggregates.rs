//! Calls of aggregates.

use super::Draw;

/// A call of an aggregate in both dialects.
pub(super) type Call = (String, String);

/// An aggregate that DataFusion has under the same name.
fn same(text: String) -> Call {
    (text.clone(), text)
}

/// Aggregates over rows that may be taken back: of a number, of another and of a text.
pub(super) fn taken_back(draw: &Draw, a: &str, b: &str, t: &str) -> Call {
    let top = |k: u64, distinct: &str| {
        format!(
            "COALESCE(array_slice(array_agg({distinct}{a} ORDER BY {a} DESC) FILTER (WHERE {a} IS NOT NULL), 1, {k}), \
             arrow_cast(make_array(), 'List(Int32)'))"
        )
    };
    let k = 1 + draw.below(3);
    // Distinct aggregates of one argument share their counts, with a filter or without.
    let passing = |call: String| match draw.below(3) {
        0 => same(format!("{call} FILTER (WHERE {b} > 0)")),
        1 => same(format!("{call} FILTER (WHERE {t} <> 'q')")),
        _ => same(call),
    };
    match draw.below(20) {
        // DataFusion's own string_agg takes the order of another aggregate for its own.
        19 => (
            format!("STRING_AGG({t}, ',' ORDER BY {t} DESC)"),
            format!("array_to_string(array_agg({t} ORDER BY {t} DESC) FILTER (WHERE {t} IS NOT NULL), ',')"),
        ),
        18 => same(format!("ARRAY_AGG({a} ORDER BY {a} NULLS FIRST)")),
        17 => (
            format!("STRING_AGG(DISTINCT {t}, '/' ORDER BY {t}) FILTER (WHERE {b} > 0)"),
            format!(
                "array_to_string(array_sort(array_agg(DISTINCT {t}) FILTER (WHERE {t} IS NOT NULL AND {b} > 0)), '/')"
            ),
        ),
        0 => same(format!("MIN({a})")),
        1 => same(format!("MAX({a})")),
        2 => same(format!("MIN({t})")),
        3 => same(format!("MAX({t}) FILTER (WHERE {a} > 0)")),
        4 => passing(format!("COUNT(DISTINCT {t})")),
        5 => passing(format!("COUNT(DISTINCT {a})")),
        6 => passing(format!("SUM(DISTINCT {a})")),
        7 => same(format!("AVG({a})")),
        8 => (format!("TOPK({a}, {k})"), top(k, "")),
        9 => (format!("TOPKDISTINCT({a}, {k})"), top(k, "DISTINCT ")),
        10 => (
            format!("ATTR({t})"),
            format!("CASE WHEN COUNT(DISTINCT {t}) = 1 AND COUNT({t}) = COUNT(*) THEN MIN({t}) END"),
        ),
        11 => (format!("array_sort(COLLECT_LIST({t}))"), format!("array_sort(array_agg({t}))")),
        12 => (format!("array_sort(COLLECT_SET({t}))"), format!("array_sort(array_agg(DISTINCT {t}))")),
        13 => same(format!("{}({a})", draw.of(&["STDDEV", "STDDEV_SAMP", "STDDEV_POP"]))),
        14 => (format!("VARIANCE({a})"), format!("VAR_SAMP({a})")),
        15 => same(format!("VAR_POP({a})")),
        _ => {
            let paired =
                |term: &str| format!("CAST(SUM({term}) FILTER (WHERE {a} IS NOT NULL AND {b} IS NOT NULL) AS DOUBLE)");
            let (x, y) = (format!("CAST({a} AS BIGINT)"), format!("CAST({b} AS BIGINT)"));
            let (sx, sy) = (paired(&x), paired(&y));
            let spread = |of: &str, sum: &str| {
                format!("sqrt(NULLIF({} * {} - {sum} * {sum}, 0))", paired("1"), paired(&format!("{of} * {of}")))
            };
            let together = format!("({} * {} - {sx} * {sy})", paired("1"), paired(&format!("{x} * {y}")));
            (format!("CORR({a}, {b})"), format!("{together} / {} / {}", spread(&x, &sx), spread(&y, &sy)))
        }
    }
}
