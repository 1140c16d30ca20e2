//! Base64 as it comes, a piece at a time.

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;

/// What stands before the base64 in a `data:` URL, at most.
const PREFIX_MAX: usize = 256;
const SCHEME: &[u8] = b"data:";

/// Decodes base64 in either alphabet, padded or not, with blanks anywhere, bare or as a `data:` URL.
#[derive(Default)]
pub(crate) struct Decoder {
    state: State,
    /// Digits that wait for more.
    digits: Vec<u8>,
    /// What is before the comma of a `data:` URL.
    prefix: Vec<u8>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum State {
    /// Nothing is known yet.
    #[default]
    Begin,
    /// In front of the comma of a `data:` URL.
    Prefix,
    /// Digits.
    Digits,
    /// Behind the first padding.
    Padding,
}

/// It is no base64.
#[derive(Debug, PartialEq)]
pub(crate) struct NotBase64;

impl Decoder {
    /// Takes characters and gives the bytes they complete.
    pub(crate) fn feed(&mut self, text: &[u8]) -> Result<Vec<u8>, NotBase64> {
        for byte in text {
            match self.state {
                State::Begin | State::Prefix => self.lead(*byte)?,
                State::Digits => self.digit(*byte)?,
                State::Padding if *byte == b'=' || byte.is_ascii_whitespace() => {}
                State::Padding => return Err(NotBase64),
            }
        }
        let whole = self.digits.len() / 4 * 4;
        let decoded = BASE64_STANDARD_NO_PAD.decode(&self.digits[..whole]).map_err(|_| NotBase64)?;
        self.digits.drain(..whole);
        Ok(decoded)
    }

    /// The bytes that the last digits stand for.
    pub(crate) fn end(&mut self) -> Result<Vec<u8>, NotBase64> {
        match self.state {
            State::Prefix => return Err(NotBase64),
            State::Begin => self.no_prefix()?,
            State::Digits | State::Padding => {}
        }
        BASE64_STANDARD_NO_PAD.decode(&self.digits).map_err(|_| NotBase64)
    }

    /// The type that a `data:` URL names.
    pub(crate) fn media_type(&self) -> Option<String> {
        let prefix = std::str::from_utf8(&self.prefix).ok()?.strip_prefix("data:")?;
        prefix.split(';').next().filter(|name| !name.is_empty()).map(str::to_owned)
    }

    fn lead(&mut self, byte: u8) -> Result<(), NotBase64> {
        if self.state == State::Begin && self.prefix.is_empty() && byte.is_ascii_whitespace() {
            return Ok(());
        }
        if self.state == State::Prefix {
            if byte == b',' {
                self.state = State::Digits;
                return if self.prefix.ends_with(b";base64") { Ok(()) } else { Err(NotBase64) };
            }
            if self.prefix.len() >= PREFIX_MAX {
                return Err(NotBase64);
            }
            self.prefix.push(byte);
            return Ok(());
        }
        self.prefix.push(byte);
        if !SCHEME.starts_with(&self.prefix) {
            return self.no_prefix();
        }
        if self.prefix.len() == SCHEME.len() {
            self.state = State::Prefix;
        }
        Ok(())
    }

    /// What looked like the begin of a `data:` URL is digits.
    fn no_prefix(&mut self) -> Result<(), NotBase64> {
        self.state = State::Digits;
        for byte in std::mem::take(&mut self.prefix) {
            self.digit(byte)?;
        }
        Ok(())
    }

    fn digit(&mut self, byte: u8) -> Result<(), NotBase64> {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => self.digits.push(byte),
            b'-' => self.digits.push(b'+'),
            b'_' => self.digits.push(b'/'),
            b'=' => self.state = State::Padding,
            _ if byte.is_ascii_whitespace() => {}
            _ => return Err(NotBase64),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes a text that comes in pieces of `size`.
    fn decoded(text: &str, size: usize) -> Result<Vec<u8>, NotBase64> {
        let mut decoder = Decoder::default();
        let mut all = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            all.extend(decoder.feed(piece)?);
        }
        all.extend(decoder.end()?);
        Ok(all)
    }

    #[test]
    fn it_is_decoded_wherever_it_is_cut() {
        for text in
            ["aGVsbG8gd29ybGQ=", "aGVsbG8gd29ybGQ", "aGVs\r\nbG8gd29ybGQ=\n", "data:text/plain;base64,aGVsbG8gd29ybGQ="]
        {
            for size in 1..=text.len() {
                assert_eq!(decoded(text, size).as_deref(), Ok(&b"hello world"[..]), "{text} {size}");
            }
        }
        assert_eq!(decoded("-_-_", 3), decoded("+/+/", 3), "either alphabet");
        assert_eq!(decoded("data", 1).as_deref(), Ok(&[0x75, 0xab, 0x5a][..]), "looks like the begin of a URL");
        assert_eq!(decoded("", 1).as_deref(), Ok(&[][..]));
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for text in ["a", "aGk=aGk=", "aGk\u{e9}", "data:text/plain,hi", "data:text/plain;base64", "a~~~"] {
            assert_eq!(decoded(text, 2), Err(NotBase64), "{text}");
        }
    }

    #[test]
    fn a_data_url_names_a_type() {
        let mut decoder = Decoder::default();
        decoder.feed(b"data:image/png;base64,aGk=").unwrap();
        assert_eq!(decoder.media_type().as_deref(), Some("image/png"));
        let mut bare = Decoder::default();
        bare.feed(b"aGk=").unwrap();
        assert_eq!(bare.media_type(), None);
    }
}
