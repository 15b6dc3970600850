//! Who asks, and whether they may.
//!
//! Today there is one superuser, for connections from loopback. Doors never decide: `broker` and `engine` call
//! `authorize`, so that every door gets the same answer.

use crate::error::Error;
use crate::error::SqlState;
use crate::model::PrincipalName;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    name: PrincipalName,
    superuser: bool,
}

impl Principal {
    /// The server itself: queries, coordinators, recovery.
    pub fn server() -> Self {
        Self { name: PrincipalName::new("tidemill"), superuser: true }
    }

    /// Who connected from loopback; a superuser until users exist.
    pub fn loopback(name: &str) -> Self {
        Self { name: PrincipalName::new(name), superuser: true }
    }

    /// Who connected from elsewhere, without proof of who they are: may do nothing.
    pub fn anonymous(name: &str) -> Self {
        Self { name: PrincipalName::new(name), superuser: false }
    }

    /// The name.
    pub fn name(&self) -> &PrincipalName {
        &self.name
    }
}

/// What may be done to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Fetch records, select rows, see that it exists.
    Read,
    /// Append records, insert rows.
    Write,
    /// Create.
    Create,
    /// Drop.
    Drop,
}

/// What is acted upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resource<'a> {
    /// A topic by name.
    Topic(&'a str),
    /// A stream, table or view by name.
    Relation(&'a str),
    /// A name for a type.
    Type(&'a str),
    /// The server itself.
    Cluster,
}

/// Lets `principal` do `operation` on `resource`, or says 42501.
pub fn authorize(principal: &Principal, operation: Operation, resource: Resource<'_>) -> Result<(), Error> {
    if principal.superuser {
        return Ok(());
    }
    let (verb, thing) = match operation {
        Operation::Read => ("read", resource),
        Operation::Write => ("write to", resource),
        Operation::Create => ("create", resource),
        Operation::Drop => ("drop", resource),
    };
    let thing = match thing {
        Resource::Topic(name) => format!("topic \"{name}\""),
        Resource::Relation(name) => format!("relation \"{name}\""),
        Resource::Type(name) => format!("type \"{name}\""),
        Resource::Cluster => "the server".to_string(),
    };
    Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, format!("\"{}\" may not {verb} {thing}", principal.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_superuser_may() {
        assert!(authorize(&Principal::loopback("ann"), Operation::Write, Resource::Topic("t")).is_ok());
        let refused = authorize(&Principal::anonymous("eve"), Operation::Read, Resource::Topic("t"));
        assert_eq!(refused.expect_err("anonymous may not").state(), SqlState::INSUFFICIENT_PRIVILEGE);
    }
}
