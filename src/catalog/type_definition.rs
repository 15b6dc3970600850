//! Names that stand for types, and types that are written with them.

use serde::Deserialize;
use serde::Serialize;
use sqlparser::ast::DataType;
use sqlparser::ast::ObjectName;
use sqlparser::ast::ObjectNamePart;

use super::Catalog;
use super::Compatibility;
use super::name::fold;
use super::sql_type::is_known;
use super::sql_type::sql_type;
use crate::error::Error;
use crate::error::Position;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::SqlType;
use crate::sql::CreateType;
use crate::sql::Name;
use crate::sql::in_type;
use crate::sql::parse_type;

/// Types inside of a type that a name stands for, itself included: names of names would grow without end.
const PARTS_MAX: usize = 1_000;

/// A name that stands for a type. What is declared with it has the type itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeDefinition {
    /// The name, folded.
    pub name: String,
    /// What it stands for.
    pub sql_type: SqlType,
    /// Who made it.
    pub owner: String,
    /// The statement that made it, for people.
    pub statement: String,
}

impl TypeDefinition {
    /// What a statement defines under a folded name; `create` has no names in it that stand for types.
    pub fn new(create: &CreateType, name: &str, rules: Compatibility) -> Result<Self> {
        let at = create.name.position;
        if is_known(&create.name.value) {
            let message = format!("type \"{}\" already exists", create.name.value);
            return Err(Error::new(SqlState::DUPLICATE_OBJECT, message).at(at));
        }
        let sql_type = sql_type(&create.data_type, rules).map_err(|error| error.at(at))?;
        let parts = parts(&sql_type);
        if PARTS_MAX < parts {
            let message = format!("type \"{name}\" has {parts} parts, more than {PARTS_MAX}");
            return Err(Error::new(SqlState::STATEMENT_TOO_COMPLEX, message).at(at));
        }
        Ok(Self { name: name.to_string(), sql_type, owner: String::new(), statement: String::new() })
    }
}

impl Catalog {
    /// What a name of a type in a statement stands for, in sqlparser's words; `None` if it is none of this catalog.
    pub fn meaning(&self, name: &ObjectName, rules: Compatibility) -> Result<Option<DataType>> {
        let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return Ok(None) };
        let quoted = ident.quote_style.is_some();
        let folded = fold(&Name { value: ident.value.clone(), quoted, position: Position(1), schema: None }, rules);
        self.named_type(&folded).map(|known| parse_type(&known.sql_type.to_string())).transpose()
    }

    /// A type with what its names stand for in their places.
    pub fn resolve(&self, data_type: &mut DataType, rules: Compatibility) -> Result<()> {
        let mut failed = None;
        in_type(data_type, &mut |named| {
            let DataType::Custom(name, modifiers) = &*named else { return };
            match self.meaning(name, rules) {
                Ok(Some(meaning)) if modifiers.is_empty() => *named = meaning,
                Ok(_) => {}
                Err(error) => failed = Some(error),
            }
        });
        failed.map_or(Ok(()), Err)
    }
}

/// A type and all types inside of it.
fn parts(sql_type: &SqlType) -> usize {
    let inner = match sql_type {
        SqlType::Array(item) => parts(item),
        SqlType::Map(key, value) => parts(key) + parts(value),
        SqlType::Struct(fields) => fields.iter().map(|field| parts(&field.sql_type)).sum(),
        _ => 0,
    };
    1 + inner
}
