//! Who opens a socket: credentials in the query, where clients can set no headers. None of them reaches a plugin.

use portico_api::ProblemCode;
use portico_core::access::Caller;

use super::endpoints::{Claim, Table};
use crate::api::App;
use crate::auth;
use crate::credentials::Principal;
use crate::problem::Problem;

/// A query parameter with a credential that came.
pub(super) struct Shown {
    parameter: String,
    principal: Principal,
}

impl Shown {
    fn caller(&self) -> Option<&Caller> {
        self.principal.caller()
    }
}

/// Looks at every query parameter that one of the endpoints reads credentials from; of several of one name at the first.
pub(super) async fn shown(
    app: &App,
    table: &Table,
    claims: &[Claim],
    query: &[(String, String)],
) -> Result<Vec<Shown>, Problem> {
    let mut shown: Vec<Shown> = Vec::new();
    for parameter in claims.iter().flat_map(|claim| &table.endpoint(claim).credentials) {
        if shown.iter().any(|known| known.parameter == *parameter) {
            continue;
        }
        if let Some((_, key)) = query.iter().find(|(name, key)| name == parameter && !key.is_empty()) {
            let principal = auth::identified(app, Some(key.as_str())).await?;
            shown.push(Shown { parameter: parameter.clone(), principal });
        }
    }
    Ok(shown)
}

/// Who that makes the sender. Of several good credentials the one that reaches least counts: that of a device before that of an
/// account.
pub(super) fn principal(shown: &[Shown]) -> Principal {
    let good = shown.iter().filter(|one| one.caller().is_some());
    let least = good.max_by_key(|one| one.caller().is_some_and(|caller| caller.device().is_some()));
    least.or(shown.first()).map_or(Principal::Anonymous, |one| one.principal.clone())
}

/// The claims whose demands the credentials meet.
pub(super) fn met(table: &Table, claims: Vec<Claim>, shown: &[Shown]) -> Result<Vec<Claim>, Problem> {
    let mut tenants = shown.iter().filter_map(Shown::caller).map(Caller::tenant);
    let first = tenants.next();
    if tenants.any(|other| Some(other) != first) {
        let why = "the credentials of this socket belong to different accounts; send those of one";
        return Err(Problem::new(ProblemCode::Unauthenticated, why));
    }
    let names: Vec<String> = claims.iter().flat_map(|claim| table.endpoint(claim).credentials.clone()).collect();
    let is_good = |name: &String| shown.iter().any(|one| one.parameter == *name && one.caller().is_some());
    let met: Vec<_> =
        claims.into_iter().filter(|claim| table.endpoint(claim).credentials.iter().any(is_good)).collect();
    if !met.is_empty() {
        return Ok(met);
    }
    if !shown.is_empty() {
        let why = "the key in the query is unknown, expired or revoked; open the socket with a valid one";
        return Err(Problem::new(ProblemCode::Unauthenticated, why));
    }
    let missing: Vec<_> = names.into_iter().take(1).collect();
    let why = format!("a key is needed in the query parameter `{}`", missing.join("`, `"));
    Err(Problem::new(ProblemCode::Unauthenticated, why).missing(missing))
}

/// The query without anything that may be a credential.
pub(super) fn without(table: &Table, claims: &[Claim], query: Vec<(String, String)>) -> Vec<(String, String)> {
    let is_credential = |name: &String| claims.iter().any(|claim| table.endpoint(claim).credentials.contains(name));
    query.into_iter().filter(|(name, _)| !is_credential(name)).collect()
}
