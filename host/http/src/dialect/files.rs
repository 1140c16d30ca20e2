//! Files in bodies for dialects: lifted into the media store while they come, so that a plugin gets ids instead of bytes.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use portico_api::{Media, ProblemCode};
use portico_core::OpContext;
use portico_core::access::Caller;
use portico_core::media::{MediaOrigin, upload};
use portico_core::ports::plugins::{self, PartValue, RequestContent, RequestPart, Route};
use serde_json::{Value, json};

use crate::api::App;
use crate::concurrency::Upload;
use crate::lift::json::JsonBody;
use crate::lift::multipart::{Form, Part};
use crate::lift::{self, Lift};
use crate::problem::Problem;

/// Parts of a form at most.
const PARTS_MAX: usize = 64;

/// How a body with files is written.
pub(super) enum Kind {
    /// A form, with the border between its parts.
    Form(String),
    /// JSON with members in base64.
    Json,
}

/// Whether the body of a request for this route may hold files, and how it is written. A form for a route that takes none is
/// refused.
pub(super) fn kind(route: &Route, headers: &HeaderMap) -> Result<Option<Kind>, Problem> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.trim_start().to_ascii_lowercase().starts_with("multipart/") {
        return Ok((!route.uploads.is_empty()).then_some(Kind::Json));
    }
    let refused = |why: &str| Problem::new(ProblemCode::UnsupportedMediaType, why).about("Content-Type");
    if !route.multipart {
        return Err(refused("this endpoint takes no form"));
    }
    multer::parse_boundary(content_type)
        .map(|border| Some(Kind::Form(border)))
        .map_err(|_| refused("the form needs a `boundary`, such as `multipart/form-data; boundary=x`"))
}

/// Reads the body, stores its files for the caller, and gives what the plugin is told. What was stored before something went
/// wrong expires like every upload.
pub(super) async fn content(
    app: &App,
    caller: &Caller,
    route: &Route,
    kind: Kind,
    request: &mut Upload,
) -> Result<RequestContent, Problem> {
    let ctx = OpContext::new(Arc::clone(&app.services), caller.clone(), None);
    let bytes_max = upload::begin(&ctx).await?;
    let bytes_max = route.body_bytes_max.map_or(bytes_max, |limit| bytes_max.min(limit as u64));
    let fields_max = app.config.upload_fields_bytes_max.max(app.config.body_bytes_max);
    let files = Files { ctx, bytes_max, fields_max };
    match kind {
        Kind::Form(border) => {
            let body = request.body(bytes_max.saturating_add(fields_max as u64));
            files.form(Form::new(body, border)).await
        }
        Kind::Json => {
            // Base64 takes four characters for three bytes, and some clients break it into lines.
            let body = request.body((bytes_max / 2 * 3).saturating_add(fields_max as u64));
            let paths = route.uploads.iter().map(|path| path.split('.').map(str::to_owned).collect()).collect();
            files.document(JsonBody::new(body, paths, fields_max), &route.uploads).await
        }
    }
}

/// Where files go, and how large they and all else may be.
struct Files {
    ctx: OpContext,
    bytes_max: u64,
    fields_max: usize,
}

impl Files {
    async fn form(&self, mut form: Form) -> Result<RequestContent, Problem> {
        let (mut parts, mut left) = (Vec::new(), self.fields_max);
        while let Some(part) = form.part().await? {
            if parts.len() == PARTS_MAX {
                let why = format!("the form must have at most {PARTS_MAX} parts");
                return Err(Problem::new(ProblemCode::InvalidRequest, why));
            }
            let part = self.part(part, left).await?;
            // All texts together are in memory, so that they share one limit.
            if let PartValue::Text(text) = &part.value {
                left -= text.len();
            }
            parts.push(part);
        }
        Ok(RequestContent::Parts(parts))
    }

    /// One part; a text may have `text_max` bytes.
    async fn part(&self, mut part: Part, text_max: usize) -> Result<RequestPart, Problem> {
        let name = part.name().to_owned();
        let Some(file_name) = part.file_name().map(str::to_owned) else {
            return Ok(RequestPart { name, value: PartValue::Text(part.text(text_max).await?) });
        };
        // Clients that don't know a type say that it is any.
        let declared = part.content_type().filter(|kind| kind != "application/octet-stream");
        let media = self.keep(&mut part, declared, Some(file_name)).await?;
        Ok(RequestPart { name, value: PartValue::Upload(told(media)) })
    }

    async fn document(&self, mut body: JsonBody, members: &[String]) -> Result<RequestContent, Problem> {
        let mut lifted = Vec::new();
        while body.find().await? {
            let found = body.found();
            let media = self.keep(&mut body, None, None).await?;
            lifted.push((found, media));
        }
        let rest = body.into_rest();
        if lifted.is_empty() {
            return Ok(RequestContent::Bytes(rest));
        }
        let mut document: Value = serde_json::from_slice(&rest)
            .map_err(|_| Problem::new(ProblemCode::MalformedJson, "the body is not JSON"))?;
        for (found, media) in lifted {
            let pointer: String = members[found].split('.').map(|name| format!("/{name}")).collect();
            if let Some(place) = document.pointer_mut(&pointer) {
                *place = json!({
                    "upload": media.id.to_string(),
                    "bytes": media.bytes,
                    "media_type": media.media_type,
                });
            }
        }
        Ok(RequestContent::Bytes(document.to_string().into_bytes()))
    }

    async fn keep(
        &self,
        file: &mut impl Lift,
        declared: Option<String>,
        file_name: Option<String>,
    ) -> Result<Media, Problem> {
        let stored = lift::store(&self.ctx, file, self.bytes_max).await?;
        let facts = upload::FileFacts { declared, file_name, origin: MediaOrigin::Upload };
        Ok(upload::record(&self.ctx, stored, facts).await?)
    }
}

fn told(media: Media) -> plugins::Upload {
    plugins::Upload {
        id: media.id.to_string(),
        bytes: media.bytes,
        media_type: media.media_type,
        file_name: media.file_name,
    }
}
