//! Members of a JSON document lifted out while the document comes.
//!
//! The base64 of the member goes on as bytes, and an empty text takes its place in the rest, which is read as usual. The document
//! is only split into texts and brackets here; whether it is JSON at all shows when the rest is read.

use axum::body::Bytes;
use bytes::Buf;

use super::Lift;
use super::base64::{Decoder, NotBase64};
use super::raw::RawBody;
use crate::problem::Problem;
use portico_api::ProblemCode;

/// Brackets within brackets at most.
const DEPTH_MAX: usize = 64;
/// Bytes of a member's name that are looked at.
const NAME_BYTES_MAX: usize = 128;

/// A JSON document with a member that is lifted.
pub(crate) struct JsonBody {
    body: RawBody,
    /// The names that lead to each of the members, from the outside in.
    paths: Vec<Vec<String>>,
    /// Which of them is lifted.
    found: usize,
    rest: Vec<u8>,
    rest_max: usize,
    /// What came and was not looked at yet.
    came: Bytes,
    brackets: Vec<Bracket>,
    at: At,
    escape: Escape,
    decoder: Decoder,
    /// The lifted text is at its end.
    is_done: bool,
}

/// An open bracket.
struct Bracket {
    is_object: bool,
    /// Of an object: the name of the member that is being read.
    name: Vec<u8>,
}

/// Where in the document.
#[derive(Clone, Copy, PartialEq)]
enum At {
    /// Before a value, or behind it.
    Value,
    /// Where a member's name is to come.
    Name,
    /// Within a member's name.
    InName,
    /// Within any other text.
    InText,
    /// Within the text that is lifted.
    Lifted,
}

/// How far an escape in a text was read.
#[derive(Clone, Copy, PartialEq)]
enum Escape {
    None,
    /// Behind a backslash.
    Begun,
    /// Behind `\u` and so many digits, with the number they make.
    Unicode(u8, u32),
}

impl JsonBody {
    /// `paths` lead to the members that are lifted, where they are texts; `rest_max` is how many bytes the document may have
    /// beside them.
    pub(crate) fn new(body: RawBody, paths: Vec<Vec<String>>, rest_max: usize) -> Self {
        Self {
            body,
            paths,
            found: 0,
            rest: Vec::new(),
            rest_max,
            came: Bytes::new(),
            brackets: Vec::new(),
            at: At::Value,
            escape: Escape::None,
            decoder: Decoder::default(),
            is_done: false,
        }
    }

    /// Reads on to the member. `true`: it is there, and its bytes come next. `false`: the document is at its end.
    pub(crate) async fn find(&mut self) -> Result<bool, Problem> {
        loop {
            while self.came.has_remaining() {
                let byte = self.came.get_u8();
                if self.step(byte)? {
                    return Ok(true);
                }
            }
            match self.body.next().await? {
                Some(piece) => self.came = piece,
                None => return Ok(false),
            }
        }
    }

    /// Which of the paths led to the member that was found.
    pub(crate) fn found(&self) -> usize {
        self.found
    }

    /// The document without the member's text.
    pub(crate) fn into_rest(self) -> Vec<u8> {
        self.rest
    }

    /// The type that the member names, if it is a `data:` URL.
    pub(crate) fn media_type(&self) -> Option<String> {
        self.decoder.media_type()
    }

    /// Looks at one byte outside of the lifted text. `true`: that text begins behind it.
    fn step(&mut self, byte: u8) -> Result<bool, Problem> {
        self.keep(byte)?;
        match self.at {
            At::InName | At::InText => self.in_text(byte),
            At::Value | At::Name => return self.between(byte),
            At::Lifted => {}
        }
        Ok(false)
    }

    fn keep(&mut self, byte: u8) -> Result<(), Problem> {
        if self.rest.len() >= self.rest_max {
            let why = format!("the body has more than {} bytes beside the file, the limit", self.rest_max);
            return Err(Problem::new(ProblemCode::TooLarge, why));
        }
        self.rest.push(byte);
        Ok(())
    }

    fn in_text(&mut self, byte: u8) {
        if self.escape == Escape::Begun {
            self.escape = Escape::None;
        } else if byte == b'\\' {
            self.escape = Escape::Begun;
        } else if byte == b'"' {
            self.at = At::Value;
            return;
        }
        if self.at == At::InName
            && let Some(bracket) = self.brackets.last_mut()
            && bracket.name.len() < NAME_BYTES_MAX
        {
            bracket.name.push(byte);
        }
    }

    fn between(&mut self, byte: u8) -> Result<bool, Problem> {
        match byte {
            b'{' | b'[' => {
                if self.brackets.len() >= DEPTH_MAX {
                    return Err(Problem::new(ProblemCode::MalformedJson, "the body has too many brackets in brackets"));
                }
                let is_object = byte == b'{';
                self.brackets.push(Bracket { is_object, name: Vec::new() });
                self.at = if is_object { At::Name } else { At::Value };
            }
            b'}' | b']' => {
                self.brackets.pop();
                self.at = At::Value;
            }
            b',' => {
                let in_object = self.brackets.last().is_some_and(|bracket| bracket.is_object);
                self.at = if in_object { At::Name } else { At::Value };
            }
            b'"' if self.at == At::Name => {
                if let Some(bracket) = self.brackets.last_mut() {
                    bracket.name.clear();
                }
                self.at = At::InName;
            }
            b'"' => {
                let Some(found) = self.member() else {
                    self.at = At::InText;
                    return Ok(false);
                };
                // The text that is left in its place ends at once.
                self.keep(b'"')?;
                (self.at, self.escape, self.is_done, self.found) = (At::Lifted, Escape::None, false, found);
                self.decoder = Decoder::default();
                return Ok(true);
            }
            _ => {}
        }
        Ok(false)
    }

    /// The member whose text begins here, by the place of its path.
    fn member(&self) -> Option<usize> {
        let names = || self.brackets.iter().map(|bracket| (bracket.is_object, bracket.name.as_slice()));
        self.paths.iter().position(|path| names().eq(path.iter().map(|name| (true, name.as_bytes()))))
    }

    /// Decodes what came of the lifted text, up to its end.
    fn decode(&mut self) -> Result<Vec<u8>, NotBase64> {
        let mut text = Vec::with_capacity(self.came.len());
        let mut read = 0;
        for byte in &self.came {
            read += 1;
            match (self.escape, *byte) {
                (Escape::None, b'"') => {
                    self.is_done = true;
                    break;
                }
                (Escape::None, b'\\') => self.escape = Escape::Begun,
                (Escape::None, byte) => text.push(byte),
                (Escape::Begun, b'u') => self.escape = Escape::Unicode(0, 0),
                (Escape::Begun, byte) => {
                    // Of those with a letter only blanks can stand in base64.
                    text.push(if byte == b'/' { b'/' } else { b' ' });
                    if !matches!(byte, b'/' | b'n' | b'r' | b't') {
                        return Err(NotBase64);
                    }
                    self.escape = Escape::None;
                }
                (Escape::Unicode(digits, number), byte) => {
                    let digit = (byte as char).to_digit(16).ok_or(NotBase64)?;
                    let number = number * 16 + digit;
                    self.escape = Escape::Unicode(digits + 1, number);
                    if digits + 1 == 4 {
                        text.push(u8::try_from(number).map_err(|_| NotBase64)?);
                        self.escape = Escape::None;
                    }
                }
            }
        }
        self.came = self.came.slice(read..);
        let mut bytes = self.decoder.feed(&text)?;
        if self.is_done {
            bytes.extend(self.decoder.end()?);
            self.at = At::Value;
        }
        Ok(bytes)
    }
}

impl Lift for JsonBody {
    async fn piece(&mut self) -> Result<Option<Bytes>, Problem> {
        while !self.is_done {
            if self.came.is_empty() {
                let Some(piece) = self.body.next().await? else {
                    return Err(Problem::new(ProblemCode::MalformedJson, "the body ends within a text"));
                };
                self.came = piece;
            }
            let bytes = self.decode().map_err(|NotBase64| {
                let member = self.paths.get(self.found).map(|path| path.join(".")).unwrap_or_default();
                Problem::new(ProblemCode::InvalidRequest, format!("`{member}`: must be the file in base64"))
                    .about(member)
            })?;
            if !bytes.is_empty() {
                return Ok(Some(bytes.into()));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures_util::stream;

    use super::*;
    use crate::body::BodyLimits;
    use crate::config::HttpConfig;

    /// The document in pieces of `size`, with what is at `path` lifted.
    fn body(document: &str, size: usize, path: &'static [&'static str]) -> JsonBody {
        let pieces: Vec<_> = document
            .as_bytes()
            .chunks(size)
            .map(|p| Ok::<_, std::convert::Infallible>(Bytes::copy_from_slice(p)))
            .collect();
        let limits = BodyLimits::of(&HttpConfig::default());
        let raw = RawBody::new(Body::from_stream(stream::iter(pieces)), limits, 1 << 20);
        let path = path.iter().map(|name| (*name).to_owned()).collect();
        JsonBody::new(raw, vec![path], 1024)
    }

    async fn lifted(
        document: &str,
        size: usize,
        path: &'static [&'static str],
    ) -> Result<(Vec<Vec<u8>>, String), Problem> {
        let mut body = body(document, size, path);
        let mut files = Vec::new();
        while body.find().await? {
            let mut file = Vec::new();
            while let Some(piece) = body.piece().await? {
                file.extend_from_slice(&piece);
            }
            files.push(file);
        }
        Ok((files, String::from_utf8(body.into_rest()).unwrap()))
    }

    #[tokio::test]
    async fn the_member_goes_on_as_bytes_and_the_rest_stays() {
        let document = r#"{"file_name": "a \"data\": {.png", "list": ["data", {"data": "no"}], "data" : "aGVs\/bG8", "data2": "x"}"#;
        let rest = r#"{"file_name": "a \"data\": {.png", "list": ["data", {"data": "no"}], "data" : "", "data2": "x"}"#;
        let wanted = vec![vec![0x68, 0x65, 0x6c, 0xfd, 0xb1, 0xbc]];
        for size in 1..=document.len() {
            let (files, left) = lifted(document, size, &["data"]).await.unwrap();
            assert_eq!((&files, left.as_str()), (&wanted, rest), "{size}");
        }
    }

    #[tokio::test]
    async fn a_member_may_lie_deeper() {
        let document = r#"{"media": {"data": "aGk="}, "data": "stays", "x": {"data": "stays"}}"#;
        let (files, rest) = lifted(document, 5, &["media", "data"]).await.unwrap();
        assert_eq!(files, [b"hi".to_vec()]);
        assert_eq!(rest, document.replace("aGk=", ""));
    }

    #[tokio::test]
    async fn what_can_not_be_read_says_why() {
        for (document, code) in [
            (r#"{"data": "a~"}"#, "invalid_request"),
            (r#"{"data": "aGk"#, "malformed_json"),
            (r#"{"data": "a\u00e9"}"#, "invalid_request"),
            (r#"{"data": "\b"}"#, "invalid_request"),
        ] {
            let problem = lifted(document, 3, &["data"]).await.unwrap_err();
            assert_eq!(problem.code.as_str(), code, "{document}");
        }
        assert_eq!(lifted(&"[".repeat(100), 9, &["data"]).await.unwrap_err().code.as_str(), "malformed_json");
        let long = format!("{{\"x\": \"{}\"}}", "x".repeat(2000));
        assert_eq!(lifted(&long, 100, &["data"]).await.unwrap_err().code.as_str(), "too_large");
    }

    #[tokio::test]
    async fn what_is_no_text_is_left_for_the_reader() {
        for document in [r#"{"data": 5}"#, r#"{"data": null}"#, r#"{"data""#, "", "nonsense"] {
            assert_eq!(lifted(document, 2, &["data"]).await.unwrap(), (Vec::new(), document.to_owned()));
        }
    }
}
