//! Typed arguments of the admin API: the phone a path names, a JSON body, a query. Each refuses with a [`Problem`].

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::Error;
use crate::network::Network;
use crate::phone::handle::Phone;

/// The phone named by `{number}`.
pub(super) struct Named(pub(super) Phone);

impl FromRequestParts<Arc<Network>> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, network: &Arc<Network>) -> Result<Self, Problem> {
        let Path(params) = Path::<HashMap<String, String>>::from_request_parts(parts, network).await?;
        let number = params.get("number").map(String::as_str).unwrap_or_default();
        let account = network.directory.find_text(number).ok_or(Error::UnknownPhone)?;
        Ok(Self(Phone::new(Arc::clone(network), account)))
    }
}

/// A JSON body, whatever its content type says; an empty one reads as `{}`.
pub(super) struct Input<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<Network>> for Input<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, network: &Arc<Network>) -> Result<Self, Problem> {
        let bytes =
            Bytes::from_request(request, network).await.map_err(|rejection| Problem::invalid(rejection.body_text()))?;
        let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        let input = serde_json::from_slice(bytes)
            .map_err(|error| Problem::invalid(format!("the body is not the JSON expected here: {error}")))?;
        Ok(Self(input))
    }
}

/// The query string.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<Network>> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, network: &Arc<Network>) -> Result<Self, Problem> {
        let Query(asked) = Query::<T>::from_request_parts(parts, network).await?;
        Ok(Self(asked))
    }
}
