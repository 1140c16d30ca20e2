//! What goes wrong in a dialect, in one shape, so that it is put into the API's words in one place.

use portico_api::ProblemCode;

use crate::gateway::CoreError;
use crate::http::{AssumeError, BodyError, Refusal};

/// An error before it is put into the API's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind of error it is.
    pub code: ProblemCode,
    /// The status the REST core or the host gives it.
    pub status: u16,
    /// For people: what happened and what to do.
    pub detail: Box<str>,
    /// The field it is about, as the REST core names it.
    pub field: Option<Box<str>>,
    /// A sentence of the document that says exactly this.
    pub says: Option<&'static str>,
    /// Headers with credentials that were missing.
    pub missing: Box<[String]>,
    /// Seconds until it may be tried again.
    pub retry_after: Option<u32>,
    /// The path that was asked.
    pub path: Box<str>,
    /// When it was asked, in milliseconds since 1970; set by the interpreter.
    pub at_ms: u64,
    /// The id of the call, which the plugin's lines in the gateway's log carry too; set by the interpreter.
    pub call_id: Box<str>,
    /// Whether the request is another dialect's, which claims the same path.
    pub passes: bool,
}

impl Fault {
    /// An error of that kind.
    pub fn new(code: ProblemCode, detail: impl Into<Box<str>>) -> Self {
        Self {
            code,
            status: code.status(),
            detail: detail.into(),
            field: None,
            says: None,
            missing: Box::default(),
            retry_after: None,
            path: Box::default(),
            at_ms: 0,
            call_id: Box::default(),
            passes: false,
        }
    }

    /// No error: the request is meant for another dialect that claims the same path, and the host asks that one next. When
    /// nobody takes it, the host answers that there is no such route.
    pub fn pass() -> Self {
        Self { passes: true, ..Self::new(ProblemCode::NotFound, "this request is another API's") }
    }

    /// An error for which the document has a status and a sentence of its own.
    pub fn says(status: u16, text: &'static str) -> Self {
        Self { status, says: Some(text), ..Self::new(ProblemCode::InvalidRequest, text) }
    }

    /// A value of the request that can't be used.
    pub fn invalid(field: &str, why: &str) -> Self {
        Self { field: Some(field.into()), ..Self::new(ProblemCode::InvalidRequest, format!("`{field}`: {why}")) }
    }

    /// An endpoint that is documented and not served yet.
    pub fn not_served() -> Self {
        Self::new(ProblemCode::Unsupported, "this gateway does not serve this endpoint yet")
    }

    /// Whether something is not there, of whatever kind.
    pub fn is_not_found(&self) -> bool {
        self.status == 404
    }
}

impl From<CoreError> for Fault {
    fn from(error: CoreError) -> Self {
        match error {
            CoreError::Problem(problem) => {
                let detail = problem.to_string();
                let code = ProblemCode::from_name(&problem.code);
                // A newer gateway may have codes that this plugin has not heard of.
                let unknown = match problem.status {
                    400..=499 => ProblemCode::InvalidRequest,
                    _ => ProblemCode::Internal,
                };
                Self {
                    status: problem.status,
                    field: problem.field.map(Into::into),
                    ..Self::new(code.unwrap_or(unknown), detail)
                }
            }
            CoreError::Unavailable(why) => Self::new(ProblemCode::Unavailable, why),
            CoreError::Host(why) => Self::new(ProblemCode::Internal, why),
            CoreError::Shape(e) => Self::new(ProblemCode::Internal, e.to_string()),
        }
    }
}

impl From<AssumeError> for Fault {
    fn from(error: AssumeError) -> Self {
        match error {
            AssumeError::Denied(why) => Self::new(ProblemCode::Forbidden, why),
            AssumeError::Unknown => Self::new(ProblemCode::Unauthenticated, "this key is unknown, expired or revoked"),
            AssumeError::TooMany => {
                Self::new(ProblemCode::Busy, "too many bad keys came from this address; try again later")
            }
        }
    }
}

impl From<BodyError> for Fault {
    fn from(error: BodyError) -> Self {
        let code = match &error {
            BodyError::Json(e) if !e.is_data() => ProblemCode::MalformedJson,
            BodyError::Json(_) | BodyError::Missing => ProblemCode::InvalidRequest,
        };
        Self::new(code, error.to_string())
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let code = ProblemCode::from_name(&refusal.code).unwrap_or(ProblemCode::Internal);
        Self {
            status: refusal.status,
            missing: refusal.missing.into(),
            retry_after: refusal.retry_after,
            path: refusal.path.into(),
            ..Self::new(code, refusal.detail)
        }
    }
}
