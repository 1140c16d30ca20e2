//! Faults, restrictions and traits: what goes wrong, and for whom.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use serde::{Deserialize, Serialize};

use super::input::{Input, Named};
use super::problem::Problem;
use crate::network::Network;
use crate::{ActiveFault, Error, Fault, LinkEnd, Restriction, Traits};

/// `GET /faults`
pub(super) async fn list(State(network): State<Arc<Network>>) -> Json<Vec<ActiveFault>> {
    Json(network.faults.all())
}

#[derive(Serialize)]
pub(super) struct Added {
    id: u64,
}

/// `POST /faults`
pub(super) async fn add(
    State(network): State<Arc<Network>>,
    Input(fault): Input<Fault>,
) -> Result<(StatusCode, Json<Added>), Problem> {
    let id = network.faults.add(network.next(), fault)?;
    Ok((StatusCode::CREATED, Json(Added { id })))
}

/// `DELETE /faults`: all of them.
pub(super) async fn clear(State(network): State<Arc<Network>>) -> StatusCode {
    network.faults.remove(None);
    StatusCode::NO_CONTENT
}

/// `DELETE /faults/{id}`
pub(super) async fn remove(State(network): State<Arc<Network>>, Path(id): Path<u64>) -> Result<StatusCode, Problem> {
    match network.faults.remove(Some(id)) {
        0 => Err(Problem::not_found()),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

/// `GET /phones/{number}/restriction`
pub(super) async fn restriction(Named(phone): Named) -> Json<Restriction> {
    Json(phone.restriction())
}

/// `PUT /phones/{number}/restriction`
pub(super) async fn restrict(Named(phone): Named, Input(restriction): Input<Restriction>) -> StatusCode {
    phone.restrict(restriction);
    StatusCode::NO_CONTENT
}

/// `GET /phones/{number}/traits`
pub(super) async fn traits(Named(phone): Named) -> Json<Traits> {
    Json(phone.traits())
}

/// `PUT /phones/{number}/traits`
pub(super) async fn set_traits(Named(phone): Named, Input(traits): Input<Traits>) -> StatusCode {
    phone.set_traits(traits);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct How {
    how: LinkEnd,
}

/// `POST /phones/{number}/devices/{device}/end`
pub(super) async fn end(
    Named(phone): Named,
    Path((_, device)): Path<(String, u16)>,
    Input(How { how }): Input<How>,
) -> Result<StatusCode, Problem> {
    if phone.end_link(device, how) { Ok(StatusCode::NO_CONTENT) } else { Err(Error::UnknownPhone.into()) }
}
