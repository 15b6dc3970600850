//! How typed names become the names that are kept.

use super::Compatibility;
use crate::sql::Name;

/// The name as it is kept: a bare word folds to lower case, under ksqlDB's rules to upper case; a quoted one stays.
pub fn fold(name: &Name, compatibility: Compatibility) -> String {
    if name.quoted {
        return name.value.clone();
    }
    match compatibility {
        Compatibility::Postgres => name.value.to_lowercase(),
        Compatibility::Ksqldb => name.value.to_uppercase(),
    }
}
