//! A relation's rows as records: which codec it declares.

use crate::catalog::Compatibility;
use crate::catalog::Format;
use crate::catalog::Relation;
use crate::error::Result;
use crate::format::CodecOptions;
use crate::format::Decoder;
use crate::format::Encoder;
use crate::format::FormatSpec;
use crate::format::NameMatch;
use crate::format::TimeStyle;
use crate::format::WindowKeySize;
use crate::format::WrapSingle;

/// The decoder of a relation's records.
pub(super) fn decoder(relation: &Relation) -> Result<Decoder> {
    let (key, value) = specs(relation);
    Ok(Decoder::new(&relation.columns, key, value, &options(relation))?)
}

/// The encoder of a relation's rows.
pub(super) fn encoder(relation: &Relation) -> Result<Encoder> {
    let (key, value) = specs(relation);
    Ok(Encoder::new(&relation.columns, key, value, &options(relation))?)
}

fn specs(relation: &Relation) -> (FormatSpec, FormatSpec) {
    (spec(relation.formats.key), spec(relation.formats.value))
}

fn spec(format: Format) -> FormatSpec {
    match format {
        Format::None => FormatSpec::None,
        Format::Kafka => FormatSpec::Kafka,
        Format::Json => FormatSpec::Json,
        Format::Delimited { delimiter } => FormatSpec::Delimited { delimiter },
    }
}

fn options(relation: &Relation) -> CodecOptions {
    let (names, times) = match relation.compatibility {
        Compatibility::Postgres => (NameMatch::Exact, TimeStyle::Iso),
        Compatibility::Ksqldb => (NameMatch::UpperFallback, TimeStyle::EpochMillis),
    };
    CodecOptions {
        names,
        wrap_single: if relation.formats.wrap_single_value { WrapSingle::Wrapped } else { WrapSingle::Unwrapped },
        times,
        window: relation.window.map(|window| match window.size_ms {
            Some(size_ms) => WindowKeySize::Fixed { size_ms },
            None => WindowKeySize::Session,
        }),
        needs_key: relation.is_table() && !relation.key_columns().is_empty(),
        timestamp_column: relation.timestamp_column,
        timestamp_format: relation.timestamp_format.clone(),
    }
}
