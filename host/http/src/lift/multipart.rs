//! The parts of a form (`multipart/form-data`) while they come.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::Bytes;
use futures_util::Stream;
use futures_util::stream::{self, BoxStream, StreamExt};

use super::Lift;
use super::raw::RawBody;
use crate::problem::Problem;
use portico_api::ProblemCode;

/// Bytes that the parser may keep while it looks for the next border.
const KEPT_MAX: usize = 1 << 20;

/// A form.
pub(crate) struct Form {
    parser: multer::Multipart<'static>,
    kept: Arc<AtomicUsize>,
}

/// One part of a form.
pub(crate) struct Part {
    field: multer::Field<'static>,
    kept: Arc<AtomicUsize>,
}

impl Form {
    /// A form whose parts are parted by `boundary`.
    pub(crate) fn new(body: RawBody, boundary: String) -> Self {
        let pieces = stream::unfold(Some(body), |body: Option<RawBody>| async move {
            let mut body = body?;
            match body.next().await {
                Ok(piece) => piece.map(|piece| (Ok(piece), Some(body))),
                Err(problem) => Some((Err(InStream(problem)), None)),
            }
        });
        let kept = Arc::new(AtomicUsize::new(0));
        let paced = Paced { pieces: pieces.boxed(), rests: false, kept: Arc::clone(&kept) };
        Self { parser: multer::Multipart::new(paced, boundary), kept }
    }

    /// The next part; `None` at the end. The part before must be dropped.
    pub(crate) async fn part(&mut self) -> Result<Option<Part>, Problem> {
        let field = self.parser.next_field().await.map_err(refused)?;
        self.kept.store(0, Ordering::Relaxed);
        Ok(field.map(|field| Part { field, kept: Arc::clone(&self.kept) }))
    }
}

impl Part {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        self.field.name().unwrap_or_default()
    }

    /// The name of the file it is.
    pub(crate) fn file_name(&self) -> Option<&str> {
        self.field.file_name()
    }

    /// The type of the file it is.
    pub(crate) fn content_type(&self) -> Option<String> {
        self.field.headers().get("content-type")?.to_str().ok().map(str::to_owned)
    }

    /// All of it as text, of `bytes_max` at most.
    pub(crate) async fn text(mut self, bytes_max: usize) -> Result<String, Problem> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.piece().await? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > bytes_max {
                let why = format!("`{}`: must have at most {bytes_max} bytes", self.name());
                return Err(Problem::new(ProblemCode::InvalidRequest, why).about(self.name()));
            }
        }
        String::from_utf8(bytes)
            .map_err(|_| Problem::new(ProblemCode::InvalidRequest, "a field of the form is not UTF-8"))
    }
}

impl Lift for Part {
    async fn piece(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            let piece = self.field.chunk().await.map_err(refused)?;
            self.kept.store(0, Ordering::Relaxed);
            if !piece.as_ref().is_some_and(Bytes::is_empty) {
                return Ok(piece);
            }
        }
    }
}

/// A problem on its way through the parser.
#[derive(Debug, thiserror::Error)]
#[error("the body has a problem")]
struct InStream(Problem);

/// Gives the parser one piece each time it looks. It would read all there is otherwise, however much that is, and keep it.
struct Paced {
    pieces: BoxStream<'static, Result<Bytes, InStream>>,
    /// A piece was just given.
    rests: bool,
    /// Bytes given since the parser last handed something on.
    kept: Arc<AtomicUsize>,
}

impl Stream for Paced {
    type Item = Result<Bytes, InStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.rests) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = self.pieces.poll_next_unpin(cx);
        if let Poll::Ready(Some(Ok(piece))) = &next {
            self.rests = true;
            if self.kept.fetch_add(piece.len(), Ordering::Relaxed) > KEPT_MAX {
                return Poll::Ready(Some(Err(InStream(malformed("it has no border where one must be")))));
            }
        }
        next
    }
}

fn refused(error: multer::Error) -> Problem {
    if let multer::Error::StreamReadFailed(cause) = error {
        return match cause.downcast::<InStream>() {
            Ok(inside) => inside.0,
            Err(_) => malformed("it can't be read"),
        };
    }
    malformed(&error.to_string())
}

fn malformed(why: &str) -> Problem {
    Problem::new(ProblemCode::InvalidRequest, format!("the body is no form (multipart/form-data): {why}"))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;
    use crate::body::BodyLimits;
    use crate::config::HttpConfig;

    fn form(text: &[u8], size: usize) -> Form {
        let pieces: Vec<_> =
            text.chunks(size).map(|p| Ok::<_, std::convert::Infallible>(Bytes::copy_from_slice(p))).collect();
        let limits = BodyLimits::of(&HttpConfig::default());
        Form::new(RawBody::new(Body::from_stream(stream::iter(pieces)), limits, 1 << 30), "border".to_owned())
    }

    #[tokio::test]
    async fn parts_come_one_after_the_other_wherever_the_body_is_cut() {
        let text = b"--border\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\
            content-type: image/png\r\n\r\nby\r\n--bord\r\ntes\r\n--border\r\n\
            content-disposition: form-data; name=\"file_name\"\r\n\r\npier.png\r\n--border--\r\n";
        for size in [1, 2, 7, 1000] {
            let mut form = form(text, size);
            let mut part = form.part().await.unwrap().expect("the file");
            assert_eq!((part.name(), part.file_name()), ("file", Some("a.png")));
            assert_eq!(part.content_type().as_deref(), Some("image/png"));
            let mut bytes = Vec::new();
            while let Some(piece) = part.piece().await.unwrap() {
                bytes.extend_from_slice(&piece);
            }
            assert_eq!(bytes, b"by\r\n--bord\r\ntes", "{size}");
            drop(part);
            let part = form.part().await.unwrap().expect("the name");
            assert_eq!(part.name(), "file_name");
            assert_eq!(part.text(100).await.unwrap(), "pier.png");
            assert!(form.part().await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn a_body_without_a_border_is_given_up_before_it_is_in_memory() {
        let mut form = form(&vec![b'x'; 8 << 20], 64 * 1024);
        let problem = form.part().await.err().expect("no form");
        assert!(problem.detail.contains("border"), "{}", problem.detail);
    }

    #[tokio::test]
    async fn what_is_no_form_is_refused() {
        assert!(form(b"plain", 3).part().await.is_err());
        let mut cut = form(b"--border\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\nhalf", 5);
        let mut part = cut.part().await.unwrap().expect("the begin of a part");
        while let Ok(Some(_)) = part.piece().await {}
        assert!(part.piece().await.is_err());
    }
}
