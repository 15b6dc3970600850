//! The numbers of identity columns: each is given once, in the order of their asking.
//!
//! Blocks of them are told to the catalog before the first of a block is given, so that no crash gives one twice; what is left of a
//! block when the server ends is never given. A block has as many numbers as were given since the start, within bounds: few
//! are lost where few are used, and the catalog is told seldom where many are.

use std::collections::HashMap;
use std::ops::Range;

use super::core::Engine;
use super::queries::record;
use crate::catalog::Change;
use crate::catalog::Relation;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::RelationId;
use crate::model::SqlType;

const BLOCK_MIN: i64 = 1_000;
const BLOCK_MAX: i64 = 100_000;

/// What is left of the blocks.
#[derive(Default)]
pub(super) struct Numbers {
    blocks: tokio::sync::Mutex<HashMap<RelationId, Block>>,
}

#[derive(Default)]
struct Block {
    left: Range<i64>,
    given: i64,
}

impl Numbers {
    /// So many numbers, one after the other, for the identity column of a relation.
    pub(super) async fn take(&self, engine: &Engine, relation: &Relation, count: usize) -> Result<Range<i64>> {
        let exhausted = || {
            let message = format!("the numbers of table \"{}\" are used up", relation.name);
            Error::new(SqlState::SEQUENCE_GENERATOR_LIMIT_EXCEEDED, message)
        };
        let count = i64::try_from(count).map_err(|_| exhausted())?;
        let mut blocks = self.blocks.lock().await;
        let left = blocks.get(&relation.id).map_or(0, |block| block.left.end - block.left.start);
        if left < count {
            let catalog = engine.catalog()?;
            blocks.retain(|id, _| catalog.relation_by_id(*id).is_some());
        }
        let block = blocks.entry(relation.id).or_default();
        if left < count {
            let missing = count - left;
            let reserved = reserve(engine, relation, missing.max(block.given.clamp(BLOCK_MIN, BLOCK_MAX))).await?;
            // Nobody else reserves, so that blocks follow each other unless TRUNCATE began anew.
            block.left = if block.left.end == reserved.start { block.left.start..reserved.end } else { reserved };
        }
        let given = block.left.start..block.left.start.checked_add(count).ok_or_else(exhausted)?;
        let largest = match relation.identity.as_ref().map(|identity| &relation.columns[identity.column].sql_type) {
            Some(SqlType::Int) => i64::from(i32::MAX),
            _ => i64::MAX,
        };
        if largest < given.end - 1 {
            return Err(exhausted());
        }
        block.left.start = given.end;
        block.given = block.given.saturating_add(count);
        Ok(given)
    }

    /// Begins again where the relation's numbers began.
    pub(super) async fn restart(&self, engine: &Engine, relation: &Relation) -> Result<()> {
        let mut blocks = self.blocks.lock().await;
        change(engine, relation, |_, start| start).await?;
        blocks.remove(&relation.id);
        Ok(())
    }
}

async fn reserve(engine: &Engine, relation: &Relation, count: i64) -> Result<Range<i64>> {
    change(engine, relation, |next, _| next.saturating_add(count)).await
}

/// Changes the first number that is not reserved; answers what lies between the one before and the new one.
async fn change(engine: &Engine, relation: &Relation, to: impl Fn(i64, i64) -> i64) -> Result<Range<i64>> {
    engine
        .change(|_, catalog| {
            let mut changed = match catalog.relation_by_id(relation.id) {
                Some(known) => Relation::clone(known),
                None => {
                    let message = format!("relation \"{}\" does not exist", relation.name);
                    return Err(Error::new(SqlState::UNDEFINED_TABLE, message));
                }
            };
            let identity = changed.identity.as_mut().ok_or_else(|| Error::internal("a table without an identity"))?;
            let next = identity.next;
            identity.next = to(next, identity.start);
            let reserved = next..identity.next;
            Ok((vec![record(Change::ReplaceRelation(Box::new(changed)))], reserved))
        })
        .await
}
