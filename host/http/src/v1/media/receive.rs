//! Reading an upload, in either form, a piece at a time.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use portico_api::{NewMedia, ProblemCode};
use portico_core::OpContext;
use portico_core::media::upload;
use portico_core::ports::blobs::Stored;

use crate::api::App;
use crate::concurrency::Upload;
use crate::extract::json;
use crate::lift;
use crate::lift::json::JsonBody;
use crate::lift::multipart::{Form, Part};
use crate::problem::Problem;

/// The JSON member that holds a file.
const DATA: &str = "data";
/// Parts of a form at most.
const PARTS_MAX: usize = 8;

/// What came.
pub(super) struct Received {
    pub(super) given: Given,
    /// The type that the client declared.
    pub(super) declared: Option<String>,
    /// The name that the client gave.
    pub(super) file_name: Option<String>,
}

/// The file, or where it is.
pub(super) enum Given {
    /// Stored by now.
    File(Stored),
    /// To be fetched.
    Url(String),
}

/// Reads an upload whose file may have `bytes_max` bytes. When it fails, nothing stays.
pub(super) async fn receive(
    app: &App,
    ctx: &OpContext,
    request: &mut Upload,
    bytes_max: u64,
) -> Result<Received, Problem> {
    let fields_max = app.config.upload_fields_bytes_max;
    match kind(request.headers())? {
        Kind::Form(boundary) => {
            let body = request.body(bytes_max.saturating_add(fields_max as u64));
            form(app, ctx, Form::new(body, boundary), bytes_max).await
        }
        Kind::Json => {
            // Base64 takes four characters for three bytes, and some clients break it into lines.
            let body = request.body((bytes_max / 2 * 3).saturating_add(fields_max as u64));
            document(app, ctx, JsonBody::new(body, vec![vec![DATA.to_owned()]], fields_max), bytes_max).await
        }
    }
}

enum Kind {
    Form(String),
    Json,
}

fn kind(headers: &HeaderMap) -> Result<Kind, Problem> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
        return multer::parse_boundary(content_type).map(Kind::Form).map_err(|_| {
            let why = "the form needs a `boundary`, such as `multipart/form-data; boundary=x`";
            Problem::new(ProblemCode::UnsupportedMediaType, why).about("Content-Type")
        });
    }
    if json::is_json(headers) {
        return Ok(Kind::Json);
    }
    let why = "this route takes `multipart/form-data` with the file in the part `file`, or `application/json`";
    Err(Problem::new(ProblemCode::UnsupportedMediaType, why).about("Content-Type"))
}

/// A file that is taken back when reading goes wrong behind it.
struct Guarded<'c> {
    app: &'c App,
    ctx: &'c OpContext,
    stored: Option<Stored>,
}

impl Guarded<'_> {
    async fn or_discard<T: Send>(&mut self, result: Result<T, Problem>) -> Result<T, Problem> {
        if result.is_err()
            && let Some(stored) = self.stored.take()
        {
            upload::discard(&self.app.services, stored).await;
        }
        result
    }
}

/// What is known of a form so far.
#[derive(Default)]
struct Fields {
    part_type: Option<String>,
    part_name: Option<String>,
    media_type: Option<String>,
    file_name: Option<String>,
}

async fn form(app: &App, ctx: &OpContext, mut form: Form, bytes_max: u64) -> Result<Received, Problem> {
    let (mut file, mut fields) = (Guarded { app, ctx, stored: None }, Fields::default());
    for count in 0.. {
        let next = form.part().await;
        let Some(part) = file.or_discard(next).await? else { break };
        if count == PARTS_MAX {
            file.or_discard::<()>(Err(invalid("file", format!("the form must have at most {PARTS_MAX} parts"))))
                .await?;
        }
        let taken = take(&mut file, &mut fields, part, bytes_max).await;
        file.or_discard(taken).await?;
    }
    let Some(stored) = file.stored else {
        return Err(invalid("file", "the form needs a part `file` with the file"));
    };
    Ok(Received {
        given: Given::File(stored),
        declared: fields.media_type.or(fields.part_type),
        file_name: fields.file_name.or(fields.part_name),
    })
}

async fn take(file: &mut Guarded<'_>, fields: &mut Fields, mut part: Part, bytes_max: u64) -> Result<(), Problem> {
    let fields_max = file.app.config.upload_fields_bytes_max;
    match part.name() {
        "file" if file.stored.is_some() => {
            return Err(invalid("file", "the form has two parts `file`; send one at a time"));
        }
        "file" => {
            fields.part_type = part.content_type();
            fields.part_name = part.file_name().map(str::to_owned);
            file.stored = Some(lift::store(file.ctx, &mut part, bytes_max).await?);
        }
        "media_type" => fields.media_type = Some(part.text(fields_max).await?),
        "file_name" => fields.file_name = Some(part.text(fields_max).await?),
        other => {
            let name: String = other.chars().take(40).collect();
            return Err(invalid(&name, "is no part of this form; it has `file`, `media_type` and `file_name`"));
        }
    }
    Ok(())
}

async fn document(app: &App, ctx: &OpContext, mut body: JsonBody, bytes_max: u64) -> Result<Received, Problem> {
    let (mut file, mut named) = (Guarded { app, ctx, stored: None }, None);
    loop {
        let found = body.find().await;
        if !file.or_discard(found).await? {
            break;
        }
        if file.stored.is_some() {
            file.or_discard::<()>(Err(invalid("data", "is there twice"))).await?;
        }
        file.stored = Some(lift::store(ctx, &mut body, bytes_max).await?);
        named = body.media_type();
    }
    let read = json::parse::<NewMedia>(&body.into_rest());
    let NewMedia { data, url, media_type, file_name } = file.or_discard(read).await?;
    let given = match (file.stored.take(), data, url) {
        (Some(stored), Some(_), None) => Given::File(stored),
        (None, None, Some(url)) => Given::Url(url),
        (stored, ..) => {
            file.stored = stored;
            return file.or_discard(Err(invalid("data", "must come without `url`, or `url` without `data`"))).await;
        }
    };
    Ok(Received { given, declared: media_type.or(named), file_name })
}

fn invalid(field: &str, why: impl Into<String>) -> Problem {
    Problem::new(ProblemCode::InvalidRequest, format!("`{field}`: {}", why.into())).about(field)
}
