//! The contract of a dialect, as files: for every served row a folder with requests, the requests of the REST core they are
//! expected to make, and the answers.
//!
//! The folder of `GET /lamps/{lamp}` is `get_lamps_lamp`. A file in it is one case:
//!
//! ```json
//! {
//!   "request": { "path": "/lamps/7", "query": { "page": "2" }, "body": {}, "anonymous": false },
//!   "core": [{ "call": "GET /v1/devices/7", "body": {}, "status": 200, "answer": { "id": "7" } }],
//!   "status": 200,
//!   "answer": { "ok": true }
//! }
//! ```
//!
//! A case of a request that is another dialect's has `"passes": true` instead of a status.
//!
//! A member of the expected answer that is `"<any>"` may be anything.

mod socket;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::run::rows;
use super::{Dialect, Route};
use crate::Context;
use crate::bindings::portico::plugin::rest;
use crate::http::{AssumeError, Body, Caller, Content, HttpHandler, Outcome, Part, Request, Transport};
use crate::http::{PartValue, Upload};

pub use socket::sockets;

/// One case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    request: Asked,
    #[serde(default)]
    core: Vec<Expected>,
    #[serde(default)]
    passes: bool,
    #[serde(default)]
    status: u16,
    /// Absent: the body is not looked at.
    #[serde(default)]
    answer: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    path: String,
    #[serde(default)]
    query: BTreeMap<String, String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<Value>,
    /// A body that is no JSON.
    #[serde(default)]
    text: Option<String>,
    /// A multipart body: texts, and files as `{"upload": id, "media_type": …, "file_name": …}`.
    #[serde(default)]
    parts: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    anonymous: bool,
    /// The device that the sender's key is bound to.
    #[serde(default)]
    device: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// `GET /v1/devices`, or `assume <key>`.
    call: String,
    #[serde(default)]
    body: Value,
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    answer: Value,
}

fn ok() -> u16 {
    200
}

/// Runs every case of a folder.
///
/// # Panics
///
/// With the first few cases that do not hold, rows without a case, and folders without a row.
pub fn contract<D: Dialect>(folder: impl AsRef<Path>) {
    let folder = folder.as_ref();
    let mut wrong = Vec::new();
    let mut known = Vec::new();
    for (number, row) in rows::<D>().enumerate() {
        let name = folder_of(row);
        if row.is_served() {
            let cases = cases(&folder.join(&name));
            if cases.is_empty() {
                wrong.push(format!("{} {} has no case in {name}/", row.method, row.path));
            }
            wrong.extend(cases.iter().filter_map(|file| run::<D>(number, row, file).err()));
        }
        known.push(name);
    }
    let folders = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let strays = folders.map(|entry| entry.file_name().to_string_lossy().into_owned());
    wrong.extend(strays.filter(|name| !known.contains(name)).map(|name| format!("{name}/ belongs to no route")));
    assert!(wrong.is_empty(), "{} of the contract's cases do not hold:\n\n{}", wrong.len(), wrong.join("\n\n"));
}

/// The folder of a row's cases.
fn folder_of<D: Dialect>(row: &Route<D>) -> String {
    let path = row.path.replace(['{', '}'], "").replace(['/', '-', '.'], "_");
    format!("{}{}", row.method.to_lowercase(), path.trim_end_matches('_'))
}

fn cases(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
    files.sort();
    files
}

fn run<D: Dialect>(number: usize, row: &Route<D>, file: &Path) -> Result<(), String> {
    let named = |why: String| format!("{}: {why}", file.display());
    let text = std::fs::read_to_string(file).map_err(|e| named(e.to_string()))?;
    let case: Case = serde_json::from_str(&text).map_err(|e| named(e.to_string()))?;
    let request = request(number, row, &case.request).map_err(named)?;
    let script = Script { expected: RefCell::new(case.core), wrong: RefCell::default() };
    script.expected.borrow_mut().reverse();
    let outcome = D::handle(&Context::for_tests(), request, &script).map_err(|e| named(format!("{e:?}")))?;
    let mut wrong = script.wrong.into_inner();
    wrong.extend(script.expected.into_inner().iter().map(|left| format!("`{}` was not asked", left.call)));
    let answer = match (outcome, case.passes) {
        (Outcome::Answer(answer), false) => answer,
        (Outcome::Answer(_), true) => return Err(named("it answered a request that is another dialect's".into())),
        (Outcome::Pass, true) if wrong.is_empty() => return Ok(()),
        (Outcome::Pass, true) => return Err(named(wrong.join("\n"))),
        (Outcome::Pass, false) => return Err(named("it passed the request on".into())),
    };
    if answer.status != case.status {
        wrong.push(format!("the status is {}, not {}", answer.status, case.status));
    }
    let shown = match &answer.body {
        Body::Bytes(bytes) => {
            serde_json::from_slice(bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
        }
        Body::Of(path) => Value::String(format!("of {path}")),
    };
    if let Some(expected) = &case.answer
        && !fits(expected, &shown)
    {
        wrong.push(format!("the answer is\n{shown:#}\nnot\n{expected:#}"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(named(wrong.join("\n"))) }
}

fn request<D: Dialect>(number: usize, row: &Route<D>, asked: &Asked) -> Result<Request, String> {
    let (wanted, came): (Vec<_>, Vec<_>) = (row.path.split('/').collect(), asked.path.split('/').collect());
    let fits = wanted.len() == came.len() && wanted.iter().zip(&came).all(|(w, c)| w.starts_with('{') || w == c);
    if !fits {
        return Err(format!("`{}` is no path of `{}`", asked.path, row.path));
    }
    let params = wanted.iter().zip(&came).filter(|(w, _)| w.starts_with('{')).map(|(_, c)| (*c).to_owned());
    let mut request = Request::for_tests(&asked.path, asked.body.as_ref());
    request.route = u32::try_from(number).unwrap_or(u32::MAX);
    request.params = params.collect();
    request.query = asked.query.clone().into_iter().collect();
    request.headers = asked.headers.clone().into_iter().collect();
    if let Some(text) = &asked.text {
        request.content = Content::Bytes(text.clone().into_bytes());
    }
    if let Some(parts) = &asked.parts {
        request.content = Content::Parts(parts.iter().map(|(name, value)| part(name, value)).collect());
    }
    if let Caller::Known(who) = &mut request.caller {
        who.device.clone_from(&asked.device);
    }
    if asked.anonymous {
        request.caller = Caller::Nobody;
    }
    Ok(request)
}

fn part(name: &str, value: &Value) -> Part {
    let text = |member: &str| value[member].as_str().unwrap_or_default().to_owned();
    let value = match value {
        Value::String(text) => PartValue::Text(text.clone()),
        _ => PartValue::Upload(Upload {
            id: text("upload"),
            bytes: value["bytes"].as_u64().unwrap_or_default(),
            media_type: text("media_type"),
            file_name: value["file_name"].as_str().map(str::to_owned),
        }),
    };
    Part { name: name.to_owned(), value }
}

/// Whether an answer is the expected one, apart from members that may be anything.
fn fits(expected: &Value, shown: &Value) -> bool {
    match (expected, shown) {
        (Value::String(any), _) if any == "<any>" => true,
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, value)| b.get(name).is_some_and(|shown| fits(value, shown)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| fits(a, b)),
        (a, b) => a == b,
    }
}

/// A REST core that expects requests in order and answers each.
struct Script {
    /// The next one last.
    expected: RefCell<Vec<Expected>>,
    wrong: RefCell<Vec<String>>,
}

impl Transport for Script {
    fn call(&self, request: rest::Request) -> Result<rest::Response, rest::RestError> {
        let line = format!("{} {}", request.method, request.path);
        let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let Some(expected) = self.expected.borrow_mut().pop() else {
            self.wrong.borrow_mut().push(format!("`{line}` was asked and not expected, with {body}"));
            return Err(rest::RestError::Unavailable("the case expects no more requests".into()));
        };
        if line != expected.call {
            self.wrong.borrow_mut().push(format!("`{line}` was asked instead of `{}`", expected.call));
        }
        if !fits(&expected.body, &body) {
            self.wrong.borrow_mut().push(format!("`{line}` was asked with {body}, not with {}", expected.body));
        }
        let answer = if expected.answer.is_null() { Vec::new() } else { expected.answer.to_string().into_bytes() };
        Ok(rest::Response { status: expected.status, headers: Vec::new(), body: answer })
    }

    fn assume(&self, key: &str) -> Result<(), AssumeError> {
        let expected = self.expected.borrow_mut().pop();
        match expected {
            Some(expected) if expected.call == format!("assume {key}") => match expected.status {
                200 => Ok(()),
                429 => Err(AssumeError::TooMany),
                _ => Err(AssumeError::Unknown),
            },
            _ => {
                self.wrong.borrow_mut().push(format!("`{key}` was assumed and that was not expected"));
                Err(AssumeError::Unknown)
            }
        }
    }
}
