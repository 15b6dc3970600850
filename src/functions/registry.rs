//! The list of our functions: a new one is a file and a line here.

use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::execution::FunctionRegistry;
use datafusion::functions_aggregate::variance::var_samp_udaf;
use datafusion::logical_expr::AggregateUDF;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::ScalarUDFImpl;

use super::aggregate::ByOffsetFunction;
use super::aggregate::CollectFunction;
use super::aggregate::Extreme;
use super::aggregate::ExtremeFunction;
use super::aggregate::JoinedTexts;
use super::aggregate::OffsetEnd;
use super::aggregate::StandingFunction;
use super::aggregate::TotalFunction;
use super::aggregate::TotalKind;
use super::aggregate::TotalStyle;
use super::arithmetic::Arithmetic;
use super::arithmetic::Chain;
use super::arithmetic::IntervalFunction;
use super::arithmetic::IntervalMicros;
use super::arithmetic::IntervalPart;
use super::arithmetic::IntervalScale;
use super::arithmetic::Operation;
use super::arithmetic::Rules;
use super::arithmetic::TimeBetween;
use super::arithmetic::TimePlus;
use super::cast::CastTarget;
use super::cast::CheckedCast;
use super::cast::FloatIn;
use super::cast::KsqlCast;
use super::cast::TextOut;
use super::cast::TimestampIn;
use super::json;
use super::ksqldb;
use super::ksqldb::ToJsonString;
use super::nested;
use super::nested::FieldOf;
use super::nested::MakeStruct;
use super::nested::UnplannedLambda;
use super::postgres;
use super::rowwise::Rowwise;
use super::scalar::Age;
use super::scalar::AsValue;
use super::scalar::Assign;
use super::scalar::ByteaIn;
use super::scalar::CharacterLength;
use super::scalar::Cut;
use super::scalar::EscapedPattern;
use super::scalar::Format;
use super::scalar::Greatest;
use super::scalar::Guarded;
use super::scalar::Lenient;
use super::scalar::LetterCase;
use super::scalar::Now;
use super::scalar::OfType;
use super::scalar::OneRow;
use super::scalar::OneZero;
use super::scalar::Pad;
use super::scalar::Precision;
use super::scalar::Random;
use super::scalar::Renamed;
use super::scalar::Round;
use super::scalar::Rounded;
use super::scalar::Rounding;
use super::scalar::Side;
use super::scalar::Timezone;
use super::scalar::TypeName;
use super::scalar::Uuid;
use super::scalar::Whole;
use super::template::TemplateFunction;

/// All our scalar functions.
pub fn all() -> Vec<Arc<ScalarUDF>> {
    let mut functions = vec![
        udf(Now::new()),
        udf(Random::new()),
        udf(Uuid::new()),
        udf(AsValue::new()),
        udf(OfType::new()),
        udf(Assign::new()),
        udf(ByteaIn::new()),
        udf(Greatest::new(Extreme::Greatest)),
        udf(Greatest::new(Extreme::Least)),
        udf(Round::new(Rounding::Nearest)),
        udf(Round::new(Rounding::Cut)),
        udf(ToJsonString::new()),
        udf(CharacterLength::new()),
        udf(Format::new()),
        udf(TypeName::new()),
        udf(Pad::new(Side::Left)),
        udf(Pad::new(Side::Right)),
        udf(MakeStruct::new()),
        udf(FieldOf::new()),
        udf(OneRow::new()),
        udf(OneZero::default()),
        udf(Precision::new()),
        udf(IntervalMicros::default()),
        udf(TimeBetween::default()),
        udf(TimePlus::default()),
        udf(TextOut::new()),
        udf(Age::new()),
    ];
    functions.extend(Timezone::all().map(udf));
    functions.extend(LetterCase::all().map(udf));
    functions.extend(TemplateFunction::all().map(udf));
    functions.extend(Renamed::all().map(udf));
    functions.extend(Cut::all().map(udf));
    functions.extend(Rounded::all().map(udf));
    functions.extend(Whole::all().map(udf));
    functions.extend(EscapedPattern::all().map(udf));
    functions.extend(Guarded::all().into_iter().map(udf));
    functions.extend(
        ksqldb::definitions()
            .chain(&postgres::DEFINITIONS)
            .chain(json::definitions())
            .map(|definition| udf(Rowwise::new(definition))),
    );
    functions.extend(nested::Mixed::all().map(udf));
    functions.extend(json::Parts::all().map(udf));
    functions.extend(json::Made::all().map(udf));
    functions.extend(nested::all().map(udf));
    functions.extend(UnplannedLambda::all().map(udf));
    functions.extend([Rules::Checked, Rules::Ksqldb].map(Chain::new).map(udf));
    for operation in Operation::ALL {
        functions.push(udf(Arithmetic::new(Rules::Checked, operation)));
        functions.push(udf(Arithmetic::new(Rules::Ksqldb, operation)));
    }
    functions.extend(IntervalScale::all().map(udf));
    functions.extend(IntervalPart::all().map(udf));
    functions.extend(IntervalFunction::all().map(udf));
    functions.extend(TimestampIn::all().map(udf));
    functions.extend(FloatIn::all().map(udf));
    for target in CastTarget::ALL {
        functions.push(udf(KsqlCast::new(target)));
    }
    for target in [CastTarget::Int, CastTarget::BigInt, CastTarget::Text] {
        functions.push(udf(CheckedCast::new(target)));
    }
    functions
}

/// All our aggregate functions: SUM and AVG under both rules, MIN and MAX, the earliest and the latest, and those
/// that standing queries alone have.
pub fn aggregates() -> Vec<Arc<AggregateUDF>> {
    let styles = [TotalStyle::Postgres, TotalStyle::Ksqldb];
    let functions = styles.into_iter().flat_map(|style| {
        [TotalKind::Sum, TotalKind::Avg].map(|kind| AggregateUDF::new_from_impl(TotalFunction::new(kind, style)))
    });
    let extremes = [Extreme::Least, Extreme::Greatest].map(ExtremeFunction::new).map(AggregateUDF::new_from_impl);
    let ends = [OffsetEnd::Earliest, OffsetEnd::Latest].map(ByOffsetFunction::new).map(AggregateUDF::new_from_impl);
    let collections = CollectFunction::all().map(AggregateUDF::new_from_impl);
    let standing = StandingFunction::all().map(AggregateUDF::new_from_impl);
    // PostgreSQL's name of it.
    let variance = AggregateUDF::clone(&var_samp_udaf()).with_aliases(["variance"]);
    let joined = AggregateUDF::new_from_impl(JoinedTexts::new());
    let others = [variance, joined];
    functions.chain(extremes).chain(ends).chain(collections).chain(standing).chain(others).map(Arc::new).collect()
}

/// Functions that take texts which are written out as the type of what stands beside them: for queries that are read once.
pub fn lenient() -> Vec<Arc<ScalarUDF>> {
    Lenient::all().into_iter().map(udf).collect()
}

/// Puts them into a registry, over functions of the same name.
pub fn register(registry: &mut dyn FunctionRegistry) -> Result<(), DataFusionError> {
    for function in all() {
        registry.register_udf(function)?;
    }
    for function in aggregates() {
        registry.register_udaf(function)?;
    }
    Ok(())
}

fn udf(function: impl ScalarUDFImpl + 'static) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(function))
}

#[cfg(test)]
mod tests {
    use datafusion::execution::SessionStateDefaults;

    use super::aggregates;
    use super::all;

    #[test]
    fn a_function_that_stands_over_a_stock_one_has_all_its_names() {
        let ours = all();
        for stock in SessionStateDefaults::default_scalar_functions() {
            if let Some(ours) = ours.iter().find(|ours| ours.name() == stock.name()) {
                let missing: Vec<&String> =
                    stock.aliases().iter().filter(|name| !ours.aliases().contains(name)).collect();
                assert!(missing.is_empty(), "{} without {missing:?}", stock.name());
            }
        }
        let ours = aggregates();
        for stock in SessionStateDefaults::default_aggregate_functions() {
            if let Some(ours) = ours.iter().find(|ours| ours.name() == stock.name()) {
                let missing: Vec<&String> =
                    stock.aliases().iter().filter(|name| !ours.aliases().contains(name)).collect();
                assert!(missing.is_empty(), "{} without {missing:?}", stock.name());
            }
        }
    }
}
