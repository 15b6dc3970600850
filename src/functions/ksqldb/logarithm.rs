//! `LN`, `LOG` and `SQRT` by IEEE's rules: what has no answer is NaN or an infinity, never an error.

use crate::functions::rowwise::Answer;
use crate::functions::rowwise::Definition;
use crate::functions::rowwise::Nulls;
use crate::functions::rowwise::Overload;
use crate::functions::rowwise::Type;

const ONE: Overload = Overload { arguments: &[Type::Double], result: Type::Double };

/// `ln(DOUBLE)`, `log(DOUBLE)`, which is natural too, `log(base, DOUBLE)` and `sqrt(DOUBLE)`; null gives null.
pub static DEFINITIONS: [Definition; 3] = [
    Definition {
        name: "__ksql_ln",
        about: "The natural logarithm; NaN and infinities where there is none.",
        overloads: &[ONE],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(Answer::Double(cells[0].double().ln())),
    },
    Definition {
        name: "__ksql_log",
        about: "The natural logarithm, or with two arguments that of the second to the base of the first.",
        overloads: &[ONE, Overload { arguments: &[Type::Double, Type::Double], result: Type::Double }],
        nulls: Nulls::GiveNull,
        compute: |cells| {
            Ok(Answer::Double(match cells {
                [value] => value.double().ln(),
                [base, value, ..] => log(base.double(), value.double()),
                [] => f64::NAN,
            }))
        },
    },
    Definition {
        name: "__ksql_sqrt",
        about: "The square root; NaN of a number below zero.",
        overloads: &[ONE],
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(Answer::Double(cells[0].double().sqrt())),
    },
];

/// There is no logarithm to a base of 1, or of 0 and below.
fn log(base: f64, value: f64) -> f64 {
    if base <= 0.0 || base == 1.0 { f64::NAN } else { value.ln() / base.ln() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_above_zero_and_not_one() {
        assert_eq!(log(2.0, 8.0), 3.0);
        assert_eq!(log(2.0, 0.0), f64::NEG_INFINITY);
        for (base, value) in [(0.0, 2.0), (-1.0, 2.0), (1.0, 2.0), (2.0, -1.0)] {
            assert!(log(base, value).is_nan(), "{base} {value}");
        }
    }
}
