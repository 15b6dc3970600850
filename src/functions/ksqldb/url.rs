//! Parts of a URL, and the form's encoding of its parameters.

use crate::error::Error;
use crate::error::SqlState;
use crate::functions::rowwise::Answer;
use crate::functions::rowwise::Definition;
use crate::functions::rowwise::Nulls;
use crate::functions::rowwise::Overload;
use crate::functions::rowwise::Type;

const TEXT: &[Overload] = &[Overload { arguments: &[Type::Text], result: Type::Text }];

/// `url_extract_<part>(text) -> text`, the port an INT; `url_extract_parameter(text, name) -> text`; `url_encode_param(text)`
/// and `url_decode_param(text)`. Null for null and for a part that is not there; a path that is not there is empty.
///
/// Parts are percent-decoded. 22023 for what is no URL.
pub static DEFINITIONS: [Definition; 9] = [
    Definition {
        name: "url_encode_param",
        about: "A text as it stands in a form's URL.",
        overloads: TEXT,
        nulls: Nulls::GiveNull,
        compute: |cells| Ok(Answer::Text(form_encoded(cells[0].text()))),
    },
    Definition {
        name: "url_decode_param",
        about: "A text as it was before it was put into a form's URL.",
        overloads: TEXT,
        nulls: Nulls::GiveNull,
        compute: |cells| {
            let text = cells[0].text();
            percent_decoded(&text.replace('+', " ")).map(Answer::Text).ok_or_else(|| invalid(text))
        },
    },
    Definition {
        name: "url_extract_fragment",
        about: "What stands behind the # of a URL.",
        overloads: TEXT,
        nulls: Nulls::GiveNull,
        compute: |cells| part(cells[0].text(), |url| url.fragment),
    },
    Definition {
        name: "url_extract_host",
        about: "The host of a URL.",
        overloads: TEXT,
        nulls: Nulls::GiveNull,
        compute: |cells| part(cells[0].text(), Url::host),
    },
    Definition {
        name: "url_extract_parameter",
        about: "The value of a parameter of a URL.",
        overloads: &[Overload { arguments: &[Type::Text, Type::Text], result: Type::Text }],
        nulls: Nulls::GiveNull,
        compute: |cells| {
            let name = cells[1].text();
            part(cells[0].text(), |url| {
                let pairs = url.query?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
                let mut named = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
                named.next()
            })
        },
    },
    Definition {
        name: "url_extract_path",
        about: "The path of a URL.",
        overloads: TEXT,
        nulls: Nulls::GiveNull,
        compute: |cells| part(cells[0].text(), |url| Some(url.path)),
    },
    Definition {
        name: "url_extract_port",
        about: "The port of a URL.",
        overloads: &[Overload { arguments: &[Type::Text], result: Type::Int }],
        nulls: Nulls::GiveNull,
        compute: |cells| {
            let port = Url::read(cells[0].text())?.port().and_then(|port| port.parse::<i32>().ok());
            Ok(Answer::int(port.map(i64::from)))
        },
    },
    Definition {
        name: "url_extract_protocol",
        about: "The scheme of a URL.",
        overloads: TEXT,
        nulls: Nulls::GiveNull,
        compute: |cells| part(cells[0].text(), |url| url.scheme),
    },
    Definition {
        name: "url_extract_query",
        about: "What stands behind the ? of a URL.",
        overloads: TEXT,
        nulls: Nulls::GiveNull,
        compute: |cells| part(cells[0].text(), |url| url.query),
    },
];

fn invalid(text: &str) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, format!("invalid URL: \"{text}\""))
}

fn part<'a>(text: &'a str, of: impl Fn(Url<'a>) -> Option<&'a str>) -> Result<Answer, Error> {
    let Some(part) = of(Url::read(text)?) else { return Ok(Answer::Null) };
    percent_decoded(part).map(Answer::Text).ok_or_else(|| invalid(text))
}

/// The parts of RFC 3986, as they are written.
struct Url<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

impl<'a> Url<'a> {
    fn read(text: &'a str) -> Result<Self, Error> {
        let is_bad = |character: char| character <= ' ' || "\"<>\\^`{|}\u{7f}".contains(character);
        if text.contains(is_bad) {
            return Err(invalid(text));
        }
        let split = |text: &'a str, at: char| match text.split_once(at) {
            Some((before, after)) => (before, Some(after)),
            None => (text, None),
        };
        let (rest, fragment) = split(text, '#');
        let (rest, query) = split(rest, '?');
        let (scheme, rest) = match rest.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
            _ => (None, rest),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                (Some(authority), path)
            }
            None => (None, rest),
        };
        Ok(Self { scheme, authority, path, query, fragment })
    }

    /// Host and port, without the user.
    fn place(&self) -> Option<(&'a str, Option<&'a str>)> {
        let authority = self.authority?;
        let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
        // The colons of an IPv6 address stand in brackets.
        let colon = place.rfind(':').filter(|colon| place.rfind(']').is_none_or(|bracket| bracket < *colon));
        Some(match colon {
            Some(colon) => (&place[..colon], Some(&place[colon + 1..])),
            None => (place, None),
        })
    }

    fn host(self) -> Option<&'a str> {
        self.place().map(|(host, _)| host).filter(|host| !host.is_empty())
    }

    fn port(&self) -> Option<&'a str> {
        self.place()?.1
    }
}

fn is_scheme(text: &str) -> bool {
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    begins && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// `%XX` made bytes; `None` for a `%` without two digits.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))?);
        rest = after;
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// As an HTML form writes a value.
fn form_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            byte if byte.is_ascii_alphanumeric() || b".-*_".contains(&byte) => encoded.push(char::from(byte)),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use crate::functions::rowwise::Cell;

    use super::*;

    #[test]
    fn a_url_has_parts() {
        let call = |part: &str, url| {
            let definition = DEFINITIONS.iter().find(|definition| definition.name == format!("url_extract_{part}"));
            let cells = [Cell::Text(url), Cell::Text("one")];
            (definition.expect("it is there").compute)(&cells).expect("a URL")
        };
        let url = "https://me:pw@example.org:8080/a%20b/c?one=x%20y&two#end";
        for (part, answer) in [
            ("protocol", Answer::text(Some("https"))),
            ("host", Answer::text(Some("example.org"))),
            ("port", Answer::Int(8080)),
            ("path", Answer::text(Some("/a b/c"))),
            ("query", Answer::text(Some("one=x y&two"))),
            ("parameter", Answer::text(Some("x y"))),
            ("fragment", Answer::text(Some("end"))),
        ] {
            assert_eq!(call(part, url), answer, "{part}");
            let without = if part == "path" { Answer::text(Some("example.org")) } else { Answer::Null };
            assert_eq!(call(part, "example.org"), without, "{part}");
        }
        assert_eq!(call("host", "http://[::1]:80/"), Answer::text(Some("[::1]")));
        assert!(Url::read("http://a b").is_err());
        assert!(part("http://a/%zz", |url| Some(url.path)).is_err());
    }

    #[test]
    fn a_form_encodes_all_but_letters_digits_and_four_signs() {
        assert_eq!(form_encoded("a b&é.-*_~"), "a+b%26%C3%A9.-*_%7E");
        assert_eq!(percent_decoded("a%C3%A9"), Some("aé".to_owned()));
        assert_eq!(percent_decoded("%4"), None);
        assert_eq!(percent_decoded("%+4"), None);
    }
}
