//! A session's variables: `${name}` in a statement's text stands for what DEFINE gave it.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// Variables by name, upper case: names do not regard case, as ksqlDB's do not.
#[derive(Debug, Default)]
pub(super) struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Gives a variable a value, or takes it away; tells whether it was there.
    pub(super) fn put(&mut self, name: &str, value: Option<&str>) -> bool {
        let name = name.to_uppercase();
        match value {
            Some(value) => self.0.insert(name, value.to_string()).is_some(),
            None => self.0.remove(&name).is_some(),
        }
    }

    /// All of them, by name.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The text with values in place of `${name}`; names that nobody defined stay. A value is not looked into again.
    pub(super) fn substituted<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.0.is_empty() || !text.contains("${") {
            return Cow::Borrowed(text);
        }
        let mut whole = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("${") {
            whole.push_str(before);
            let found =
                behind.split_once('}').and_then(|(name, after)| Some((self.0.get(&name.to_uppercase())?, after)));
            rest = match found {
                Some((value, after)) => {
                    whole.push_str(value);
                    after
                }
                None => {
                    whole.push_str("${");
                    behind
                }
            };
        }
        whole.push_str(rest);
        Cow::Owned(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defined_names_are_replaced_once_and_others_stay() {
        let mut variables = Variables::default();
        assert_eq!(variables.substituted("a ${b}"), "a ${b}");
        variables.put("b", Some("${c}"));
        variables.put("C", Some("3"));
        assert_eq!(variables.substituted("${B}${c} ${d} ${ '${c}'"), "${c}3 ${d} ${ '3'");
        assert!(variables.put("c", None));
        assert!(!variables.put("c", None));
        assert_eq!(variables.substituted("${c}"), "${c}");
    }
}
