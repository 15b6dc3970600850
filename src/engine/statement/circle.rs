//! Queries that read what is made of their own rows.

use crate::catalog::Catalog;
use crate::catalog::Relation;
use crate::model::RelationId;

/// The relations that rows of `target` go through to it again if a query reads `sources` for it: from it to it, if they do.
pub(super) fn circle(catalog: &Catalog, target: &Relation, sources: &[RelationId]) -> Option<Vec<String>> {
    let is_target = |relation: &Relation| relation.id == target.id || relation.topic_id == target.topic_id;
    // A relation to look at, and the way from it to the target.
    let mut open: Vec<(RelationId, Vec<String>)> =
        sources.iter().map(|source| (*source, vec![target.name.clone()])).collect();
    let mut seen = Vec::new();
    while let Some((id, way)) = open.pop() {
        let Some(relation) = catalog.relation_by_id(id).filter(|_| !seen.contains(&id)) else { continue };
        seen.push(id);
        let way = [std::slice::from_ref(&relation.name), way.as_slice()].concat();
        if is_target(relation) {
            return Some(way);
        }
        let behind = catalog.writers(id).flat_map(|writer| writer.sources.iter().copied());
        open.extend(behind.map(|source| (source, way.clone())));
    }
    None
}
