//! Keeps phone numbers, JIDs and pairing codes out of the log, whoever writes them.
//!
//! The gateway's own lines hold none. Those of the protocol library do, and an operator who asks for its lines with
//! `PORTICO_LOG` may well pass the log on. So every line of the levels info, warn and error is looked through before it is
//! written; debug and trace are for those who look for a fault on their own machine, and stay as they are.

use std::borrow::Cow;
use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

/// Digits in a row that may be a phone number, a LID or a group's id. Years, ports and milliseconds are shorter.
const NUMBER_DIGITS_MIN: usize = 7;
/// Digits that are left of such a number, so that two can be told apart.
const DIGITS_KEPT: usize = 2;
/// Characters of a pairing code; it is written whole, or as two halves with a dash.
const CODE_CHARS: usize = 8;

/// Makes writers that redact what they are given.
pub(super) struct Redacted<M>(pub(super) M);

/// Writes to `inner`, redacting if `redacts`.
pub(super) struct RedactedWriter<W> {
    inner: W,
    redacts: bool,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Redacted<M> {
    type Writer = RedactedWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        RedactedWriter { inner: self.0.make_writer(), redacts: true }
    }

    fn make_writer_for(&'a self, meta: &tracing::Metadata<'_>) -> Self::Writer {
        let redacts = *meta.level() <= tracing::Level::INFO;
        RedactedWriter { inner: self.0.make_writer_for(meta), redacts }
    }
}

/// Invariant: the subscriber writes each line with one call.
impl<W: Write> Write for RedactedWriter<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.redacts {
            self.inner.write_all(redacted(&String::from_utf8_lossy(line)).as_bytes())?;
        } else {
            self.inner.write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The line without numbers and codes. In a line of JSON only strings are changed, so that it stays JSON.
fn redacted(line: &str) -> Cow<'_, str> {
    let is_json = line.starts_with('{');
    let mut out = String::with_capacity(line.len());
    let (mut rest, mut in_string) = (line, false);
    while let Some(first) = rest.chars().next() {
        let token = &rest[..token_len(rest)];
        if first == '"' {
            in_string = !in_string;
        }
        match hidden(token) {
            Some(replacement) if in_string || !is_json => out.push_str(&replacement),
            _ => out.push_str(token),
        }
        rest = &rest[token.len()..];
    }
    if out == line { Cow::Borrowed(line) } else { Cow::Owned(out) }
}

/// Bytes of the first token: a colour's escape sequence, an escaped character, a word, or a single other character. A dash
/// belongs to a word that may be a pairing code.
fn token_len(text: &str) -> usize {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let word = |text: &str| text.find(|c| !is_word(c)).unwrap_or(text.len());
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some('\u{1b}'), Some('[')) => text.find('m').map_or(text.len(), |end| end + 1),
        (Some('\\'), Some(escaped)) => 1 + escaped.len_utf8(),
        (Some(c), _) if is_word(c) => {
            let half = word(text);
            let with_dash = half + 1 + text.get(half + 1..).map_or(0, word);
            let is_code = text[half..].starts_with('-') && text.get(..with_dash).is_some_and(is_code);
            if is_code { with_dash } else { half }
        }
        (Some(c), _) => c.len_utf8(),
        (None, _) => 0,
    }
}

/// What is written instead of a token that tells a number or a code.
fn hidden(token: &str) -> Option<String> {
    if token.len() >= NUMBER_DIGITS_MIN && token.bytes().all(|b| b.is_ascii_digit()) {
        return Some(format!("…{}", &token[token.len() - DIGITS_KEPT..]));
    }
    is_code(token).then(|| "[code]".to_owned())
}

/// Whether it looks like a pairing code: eight capitals and digits, maybe in two halves.
fn is_code(token: &str) -> bool {
    let is_part = |part: &str| part.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    match token.split_once('-') {
        Some((a, b)) => a.len() == CODE_CHARS / 2 && b.len() == CODE_CHARS / 2 && is_part(a) && is_part(b),
        None => token.len() == CODE_CHARS && is_part(token),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn numbers_and_codes_are_hidden_wherever_they_stand() {
        for (line, expected) in [
            ("to 15550100002@s.whatsapp.net", "to …02@s.whatsapp.net"),
            ("15550100001:12@s.whatsapp.net and 100000000000001@lid", "…01:12@s.whatsapp.net and …01@lid"),
            ("phone=+15550100002,", "phone=+…02,"),
            ("\u{1b}[3mphone\u{1b}[0m=\u{1b}[0m15550100002", "\u{1b}[3mphone\u{1b}[0m=\u{1b}[0m…02"),
            ("Pair code generated: K7PW2MZ4", "Pair code generated: [code]"),
            ("code=\"K7PW-2MZ4\"", "code=\"[code]\""),
            ("line\\n15550100002", "line\\n…02"),
            ("é15550100002", "é15550100002"),
        ] {
            assert_eq!(redacted(line), expected);
        }
    }

    #[test]
    fn what_tells_nothing_stays() {
        for line in [
            "2026-11-25T00:04:36.123456Z  INFO portico::serve: listening on 127.0.0.1:3000",
            "device.id=dev_01KB1T3Z7D2J5Q9V0000000001 duration_ms=123456",
            "message 3EB0C431D5A1F2E7B6 of 4 KiB, HTTP 200, AES-256",
        ] {
            assert_eq!(redacted(line), line);
        }
    }

    #[test]
    fn a_line_of_json_stays_json() {
        let line = r#"{"at":1767225600000,"text":"to \"15550100002\"","\\":"15550100003"}"#;
        let out = redacted(line).into_owned();
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(json["at"], 1_767_225_600_000_i64);
        assert_eq!(json["text"], "to \"…02\"");
        assert!(!out.contains("1555010000"), "{out}");
    }

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_levels_that_are_passed_on_are_redacted() {
        let captured = Captured::default();
        let writer = captured.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(Redacted(move || writer.clone()))
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "Bot/PairCode", "Pair code generated: {}", "K7PW2MZ4");
            tracing::warn!(jid = "15550100002@s.whatsapp.net", "can't be resolved");
            tracing::debug!("15550100003");
        });
        let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
        assert!(log.contains("Pair code generated: [code]") && log.contains("…02@s.whatsapp.net"), "{log}");
        assert!(!log.contains("K7PW2MZ4") && !log.contains("15550100002"), "{log}");
        assert!(log.contains("15550100003"), "debug is for the operator's own eyes: {log}");
    }
}
