//! `docs/reference/kafka-apis.md` lists what the code answers.

use tidemill::wire::kafka_apis;

#[test]
fn the_reference_page_lists_exactly_these_apis_and_versions() {
    let page = include_str!("../../../docs/reference/kafka-apis.md");
    let listed: Vec<&str> =
        page.lines().filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit()).collect();
    let row = |api: &tidemill::wire::ApiDescription| {
        format!("| {} | {} | {}-{} |", api.key, api.name, api.version_min, api.version_max)
    };
    let apis = kafka_apis();
    for (line, api) in listed.iter().zip(&apis) {
        assert!(line.starts_with(&row(api)), "the page has\n{line}\nthe code answers\n{}", row(api));
    }
    assert_eq!(listed.len(), apis.len());
}
