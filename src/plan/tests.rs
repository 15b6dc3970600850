//! What golden plans (`tests/plan.rs`) cannot say: the pinned rules, names and errors of queries that are read once.

use datafusion::optimizer::optimizer::Optimizer;

use super::Functions;
use super::optimise;
use super::prepare_pull;
use super::shown_name;
use crate::catalog::Catalog;
use crate::catalog::Compatibility;
use crate::sql;
use crate::sql::Statement;

#[test]
fn rules_over_standing_plans_are_these_and_no_others() {
    let names: Vec<String> = optimise::rules().iter().map(|rule| rule.name().to_string()).collect();
    assert_eq!(names, ["simplify_expressions", "eliminate_duplicated_expr", "optimize_projections"]);
}

#[test]
fn an_upgrade_with_a_new_rule_is_noticed() {
    let names: Vec<String> = Optimizer::new().rules.iter().map(|rule| rule.name().to_string()).collect();
    let known = [
        "rewrite_set_comparison",
        "optimize_unions",
        "unions_to_filter",
        "simplify_expressions",
        "replace_distinct_aggregate",
        "eliminate_join",
        "decorrelate_predicate_subquery",
        "scalar_subquery_to_join",
        "decorrelate_lateral_join",
        "extract_equijoin_predicate",
        "eliminate_duplicated_expr",
        "eliminate_filter",
        "eliminate_cross_join",
        "eliminate_limit",
        "propagate_empty_relation",
        "filter_null_join_keys",
        "eliminate_outer_join",
        "push_down_limit",
        "push_down_filter",
        "single_distinct_aggregation_to_group_by",
        "eliminate_group_by_constant",
        "common_sub_expression_eliminate",
        "extract_leaf_expressions",
        "push_down_leaf_projections",
        "optimize_projections",
    ];
    assert_eq!(names, known, "read each new rule: may it run over time, state and changes?");
}

fn pulled(text: &str, rules: Compatibility) -> String {
    let statement = sql::parse(text).expect("the text is SQL").remove(0).statement;
    let Statement::Select(select) = statement else { panic!("not a SELECT: {text}") };
    match prepare_pull(&select, &Catalog::default(), &Functions::new(), rules) {
        Ok(query) => query.to_string(),
        Err(error) => format!("{}: {}", error.state().0, error.message()),
    }
}

#[test]
fn unnamed_items_of_a_pull_query_get_postgres_names() {
    let text = pulled("SELECT a, count(*), a + 1, upper(b) FROM t GROUP BY a", Compatibility::Postgres);
    assert_eq!(text, "SELECT a, count(*) AS \"count\", a + 1 AS \"?column?\", upper(b) AS \"upper\" FROM t GROUP BY a");
}

#[test]
fn repeated_names_of_a_pull_query_are_told_apart_and_shown_alike() {
    let text = pulled("SELECT count(a), count(b) FROM t", Compatibility::Postgres);
    assert_eq!(text, "SELECT count(a) AS \"count\", count(b) AS \"count\u{1}1\" FROM t");
    assert_eq!(shown_name("count\u{1}1"), "count");
    assert_eq!(shown_name("count"), "count");
}

#[test]
fn bare_words_of_a_pull_query_are_upper_case_under_ksqldb() {
    let text = pulled("SELECT t.a AS x, `b` FROM things t WHERE c = 1", Compatibility::Ksqldb);
    assert_eq!(text, "SELECT \"T\".\"A\" AS \"X\", \"b\" FROM \"THINGS\" \"T\" WHERE \"C\" = 1");
    let text = pulled("SELECT name FROM tidemill.offsets", Compatibility::Ksqldb);
    assert_eq!(text, "SELECT name FROM tidemill.offsets");
    let text = pulled("SELECT a + 1, a, COUNT(*) FROM t", Compatibility::Ksqldb);
    assert_eq!(text, "SELECT \"A\" + 1 AS \"KSQL_COL_0\", \"A\", COUNT(*) AS \"KSQL_COL_1\" FROM \"T\"");
}

#[test]
fn clauses_of_standing_queries_are_refused_in_a_pull_query() {
    let windowed = "SELECT a, count(*) FROM t WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY a";
    assert_eq!(pulled(windowed, Compatibility::Postgres), "0A000: WINDOW is for queries that run on");
    let within = "SELECT 1 FROM t JOIN u WITHIN 1 HOUR ON t.a = u.a";
    assert_eq!(pulled(within, Compatibility::Postgres), "0A000: WITHIN is for queries that run on");
}
