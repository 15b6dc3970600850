//! CREATE OR REPLACE .. AS: another query for what one keeps.
//!
//! A stream, and under ksqlDB's rules a table, goes on from where it stands: what was written stays, what comes is as the new query
//! says. What the query keeps in its operators must fit. Otherwise a table is made anew from all that its inputs hold, so that it
//! says what the new query says.

use std::sync::Arc;

use super::circle::circle;
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
use crate::engine::queries::Taking;
use crate::engine::queries::refuse_others;
use crate::engine::queries::refuse_read_topics;
use crate::error::Error;
use crate::error::Result;
use crate::error::SqlState;
use crate::model::QueryId;
use crate::model::RelationId;
use crate::plan::StandingPlan;
use crate::plan::kept_part;
use crate::plan::plan_bound;
use crate::sql;
use crate::sql::Statement;

impl Making {
    /// Gives a relation another query; the warnings. All refusals come before the old one is stopped.
    pub(super) async fn replace(&self, known: &Relation) -> Result<Vec<String>> {
        let position = self.create.name.position;
        let place = |error: Error| match error.position() {
            None => error.at(position),
            Some(_) => error,
        };
        let Some(query) = known.query else {
            let (plan, sink) = self.taking_over(known).map_err(place)?;
            let (statement, goes_on) = (self.text.clone(), self.goes_on(known));
            let warnings = plan.warnings.clone();
            let name = |id| self.query_name(&plan, id);
            self.engine.take_over(known, Taking { name: &name, statement, plan: &plan, sink, goes_on }).await?;
            return Ok(warnings);
        };
        let replacement = self.replacement(known, query).map_err(place)?;
        let warnings = replacement.plan.warnings.clone();
        self.engine.replace_query(replacement).await?;
        Ok(warnings)
    }

    fn replacement(&self, known: &Relation, query: QueryId) -> Result<Replacement> {
        let catalog = self.engine.catalog()?;
        let Some(query) = catalog.query(query) else { return Err(without_query(known)) };
        let (plan, sink) = self.planned_again(&catalog, known, query.id)?;
        let goes_on = self.goes_on(known);
        if goes_on {
            check_extends(known, &sink)?;
            self.check_goes_on(&catalog, query, &plan)?;
        } else {
            refuse_read_topics(&catalog, query, "replace")?;
            refuse_others(&catalog, Some(query), known)?;
        }
        let (query, statement) = (Arc::clone(query), self.text.clone());
        Ok(Replacement { query, statement, plan: Arc::new(plan), sink, goes_on })
    }

    /// A query, and what it shall keep, for what a query kept that was terminated.
    fn taking_over(&self, known: &Relation) -> Result<(Arc<StandingPlan>, Relation)> {
        let statement = sql::parse(&known.statement)?.pop().map(|parsed| parsed.statement);
        let was_made_so = matches!(statement, Some(Statement::CreateAs(_)));
        if !was_made_so {
            return Err(without_query(known));
        }
        let catalog = self.engine.catalog()?;
        let (plan, sink) = self.planned_again(&catalog, known, catalog.next_query_id())?;
        match self.goes_on(known) {
            true => check_extends(known, &sink)?,
            false => refuse_others(&catalog, None, known)?,
        }
        Ok((Arc::new(plan), sink))
    }

    fn planned_again(&self, catalog: &Catalog, known: &Relation, query: QueryId) -> Result<(StandingPlan, Relation)> {
        check_kind(self.create.kind, &self.create.name, known, "CREATE OR REPLACE")?;
        let plan = self.plan(catalog)?;
        refuse_circle(catalog, known, &plan.sources)?;
        let topic = topic_again(known, &self.engine.metadata(), &self.options)?;
        let sink = Relation {
            id: known.id,
            on_error: known.on_error,
            dead_letter_topic: known.dead_letter_topic.clone(),
            names_topic: known.names_topic,
            owns_topic: known.owns_topic,
            owner: known.owner.clone(),
            ..self.sink(catalog, &plan.output, &topic, query)?
        };
        if self.options.on_error.is_some_and(|wanted: OnError| wanted != known.on_error) {
            return Err(Error::unsupported("on_error cannot be replaced").hint("DROP it first."));
        }
        Ok((plan, sink))
    }

    /// Whether what was written stays.
    fn goes_on(&self, known: &Relation) -> bool {
        !known.is_table() || self.create_rules() == Compatibility::Ksqldb
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

fn without_query(known: &Relation) -> Error {
    let message = format!("\"{}\" is not kept by a query", known.name);
    Error::new(SqlState::WRONG_OBJECT_TYPE, message).hint("DROP it first.")
}

/// A query must not come to read what is made of its own rows.
fn refuse_circle(catalog: &Catalog, known: &Relation, sources: &[RelationId]) -> Result<()> {
    match circle(catalog, known, sources) {
        None => Ok(()),
        Some(_) => {
            let message = format!("\"{}\" cannot be made of its own rows", known.name);
            Err(Error::new(SqlState::INVALID_TABLE_DEFINITION, message))
        }
    }
}
