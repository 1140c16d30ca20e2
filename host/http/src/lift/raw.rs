//! A body as it comes, within limits of size and time.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use crate::body::{self, BodyLimits};
use crate::problem::Problem;
use portico_api::ProblemCode;

/// A body that is read a piece at a time.
pub(crate) struct RawBody {
    stream: BodyDataStream,
    limits: BodyLimits,
    begin: Instant,
    received: u64,
    bytes_max: u64,
    /// How long nobody asked for more: what that holds up is not the sender's fault.
    unasked: Duration,
    answered: Option<Instant>,
}

impl RawBody {
    pub(crate) fn new(body: Body, limits: BodyLimits, bytes_max: u64) -> Self {
        Self {
            stream: body.into_data_stream(),
            limits,
            begin: Instant::now(),
            received: 0,
            bytes_max,
            unasked: Duration::ZERO,
            answered: None,
        }
    }

    /// The next piece; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        if let Some(answered) = self.answered.take() {
            self.unasked += answered.elapsed();
        }
        loop {
            let received = usize::try_from(self.received).unwrap_or(usize::MAX);
            let next = match self.limits.time_for(received) {
                Some(time) => timeout_at(self.begin + self.unasked + time, self.stream.next())
                    .await
                    .map_err(|_| body::too_slow(&self.limits))?,
                None => self.stream.next().await,
            };
            let Some(chunk) = next else { return Ok(None) };
            let chunk = chunk.map_err(|_| incomplete())?;
            self.received += chunk.len() as u64;
            if self.received > self.bytes_max {
                return Err(Problem::body_too_large(self.bytes_max));
            }
            if !chunk.is_empty() {
                self.answered = Some(Instant::now());
                return Ok(Some(chunk));
            }
        }
    }
}

fn incomplete() -> Problem {
    Problem::new(ProblemCode::BodyIncomplete, "the body did not arrive whole; send it again")
}
