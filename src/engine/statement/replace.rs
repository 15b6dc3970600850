//! CREATE OR REPLACE .. AS: another query for what one keeps.
//!
//! A stream, and under ksqlDB's rules a table, goes on from where it stands: what was written stays, what comes is as the new query
//! says. What the query keeps in its operators must fit. Otherwise a table is made anew from all that its inputs hold, so that it
//! says what the new query says.

use std::sync::Arc;

use super::create_as::Making;
use super::create_source::topic_again;
use super::drop::check_kind;
use crate::catalog::Catalog;
use crate::catalog::Compatibility;
use crate::catalog::OnError;
use crate::catalog::QueryDefinition;
use crate::catalog::Relation;
use crate::catalog::check_extends;
use crate::engine::queries::Replacement;
use crate::engine::queries::refuse_others;
use crate::engine::queries::refuse_read_topics;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::RelationId;
use crate::plan::StandingPlan;
use crate::plan::kept_part;
use crate::plan::plan_bound;

impl Making {
    /// Gives a relation another query; the warnings. All refusals come before the old one is stopped.
    pub(super) async fn replace(&self, known: &Relation) -> Result<Vec<String>> {
        let position = self.create.name.position;
        let replacement = self.replacement(known).map_err(|error| match error.position() {
            None => error.at(position),
            Some(_) => error,
        })?;
        let warnings = replacement.plan.warnings.clone();
        self.engine.replace_query(replacement).await?;
        Ok(warnings)
    }

    fn replacement(&self, known: &Relation) -> Result<Replacement> {
        let catalog = self.engine.catalog()?;
        check_kind(self.create.kind, &self.create.name, known, "CREATE OR REPLACE")?;
        let Some(query) = known.query.and_then(|id| catalog.query(id)) else {
            let message = format!("\"{}\" is not kept by a query", known.name);
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message).hint("DROP it first."));
        };
        let plan = self.plan(&catalog)?;
        refuse_circle(&catalog, known, &plan.sources)?;
        let topic = topic_again(known, &self.engine.metadata(), &self.options)?;
        let sink = Relation {
            id: known.id,
            on_error: known.on_error,
            dead_letter_topic: known.dead_letter_topic.clone(),
            names_topic: known.names_topic,
            owner: known.owner.clone(),
            ..self.sink(&catalog, &plan.output, &topic, query.id)?
        };
        if self.options.on_error.is_some_and(|wanted: OnError| wanted != known.on_error) {
            return Err(Error::unsupported("on_error cannot be replaced").hint("DROP it first."));
        }
        let goes_on = !known.is_table() || self.create_rules() == Compatibility::Ksqldb;
        if goes_on {
            check_extends(known, &sink)?;
            self.check_goes_on(&catalog, query, &plan)?;
        } else {
            refuse_read_topics(&catalog, query, "replace")?;
            refuse_others(&catalog, query, known)?;
        }
        let (query, statement) = (Arc::clone(query), self.text.clone());
        Ok(Replacement { query, statement, plan: Arc::new(plan), sink, goes_on })
    }

    /// What operators keep, and what it was made of, must be what it was.
    fn check_goes_on(&self, catalog: &Catalog, query: &QueryDefinition, plan: &StandingPlan) -> Result<()> {
        let old = plan_bound(&query.bound_text, catalog, self.engine.functions())?;
        let fits = old.sources == plan.sources
            && query.state_layouts == plan.state_layouts
            && query.semantics.emit == plan.semantics.emit
            && old.output.emits_final == plan.output.emits_final
            && kept_part(&old) == kept_part(plan);
        if fits {
            return Ok(());
        }
        Err(Error::unsupported(format!("query \"{}\" cannot be replaced: what it keeps would not fit", query.name))
            .detail("What it reads, its joins, windows, groups and aggregates must stay; the SELECT list above them and conditions may change.")
            .hint("DROP it with DELETE TOPIC and CREATE it again."))
    }
}

/// A query must not come to read what is made of its own rows.
fn refuse_circle(catalog: &Catalog, known: &Relation, sources: &[RelationId]) -> Result<()> {
    let mut open = sources.to_vec();
    let mut seen = Vec::new();
    while let Some(id) = open.pop() {
        if id == known.id || catalog.relation_by_id(id).is_some_and(|found| found.topic_id == known.topic_id) {
            let message = format!("\"{}\" cannot be made of its own rows", known.name);
            return Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message));
        }
        if !seen.contains(&id) {
            seen.push(id);
            open.extend(catalog.writers(id).flat_map(|writer| writer.sources.iter().copied()));
        }
    }
    Ok(())
}
