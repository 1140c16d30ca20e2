//! Errors of the JSON and query parsers in the words of this API: which field, what is wrong, what would be right.

use crate::problem::Problem;
use portico_api::ProblemCode;

/// Maximum length of a parser's message that is passed on, in characters: it may repeat what the client sent.
const WHY_CHARS_MAX: usize = 300;

/// A problem from the place in the document (`a.b[0]`, or `.` for the whole) and the parser's message about it.
pub(super) fn problem(path: &str, said: &str) -> Problem {
    let said = said.rsplit_once(" at line ").map_or(said, |(before, _)| before);
    let (field, why) = match quoted_after(said, "missing field ") {
        Some((name, _)) => (joined(path, name), "is missing".to_owned()),
        None => match quoted_after(said, "unknown field ") {
            Some((name, rest)) => (joined(path, name), unknown(rest)),
            None => (joined(path, ""), plain(said)),
        },
    };
    let why: String = why.chars().take(WHY_CHARS_MAX).collect();
    let detail = if field.is_empty() { why } else { format!("`{field}`: {why}") };
    let problem = Problem::new(ProblemCode::InvalidRequest, detail);
    if field.is_empty() { problem } else { problem.about(field) }
}

/// A parser's message about a value, in words that tell what to write.
fn plain(said: &str) -> String {
    match said {
        "invalid digit found in string"
        | "cannot parse integer from empty string"
        | "number too large to fit in target type"
        | "number too small to fit in target type" => "must be a whole number, and not an absurd one".to_owned(),
        "premature end of input"
        | "input contains invalid characters"
        | "input is not enough for unique date and time" => "must be a time such as 2026-01-31T12:00:00Z".to_owned(),
        _ if said.starts_with("invalid type: ") && said.ends_with("expected a map") => {
            "must be an object, such as {\"type\": \"text\"}".to_owned()
        }
        _ => said.to_owned(),
    }
}

/// `start`, then a name in backticks: the name and what follows it.
fn quoted_after<'t>(text: &'t str, start: &str) -> Option<(&'t str, &'t str)> {
    text.strip_prefix(start)?.strip_prefix('`')?.split_once('`')
}

fn unknown(rest: &str) -> String {
    let known = rest.trim_start_matches(", ").trim_start_matches("expected ").trim_start_matches("one of ");
    match known {
        "" | "there are no fields" => "is not taken here; leave it out".to_owned(),
        known => format!("is not taken here; check the spelling, or leave it out (taken: {known})"),
    }
}

/// The path of a field below `path`; serde names an unknown field in the path already.
fn joined(path: &str, name: &str) -> String {
    let path = if path == "." || path == "?" { "" } else { path };
    match (path, name) {
        (path, "") => path.to_owned(),
        ("", name) => name.to_owned(),
        (path, name) if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        (path, name) => format!("{path}.{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsers_are_translated() {
        assert!(problem("limit", "invalid digit found in string").detail.contains("a whole number"));
        assert!(problem("from", "premature end of input").detail.contains("2026-01-31T12:00:00Z"));
        let content = problem("content", "invalid type: string \"hello\", expected a map at line 1 column 20");
        assert!(content.detail.contains("must be an object"), "{}", content.detail);
    }
}
