//! Who sends a request to a dialect: every credential that its routes name is looked at, and none reaches the plugin.

use axum::http::HeaderMap;
use portico_api::ProblemCode;

use super::table::{Claim, Table};
use crate::api::App;
use crate::auth;
use crate::credentials::{Principal, presented_in};
use crate::problem::Problem;

/// A credential that came with the request.
struct Presented<'t> {
    header: &'t str,
    principal: Principal,
}

/// The claims whose demands the credentials meet, and who that makes the sender.
pub(super) async fn checked(
    app: &App,
    table: &Table,
    claims: Vec<Claim>,
    headers: &HeaderMap,
) -> Result<(Vec<Claim>, Principal), Problem> {
    let mut presented: Vec<Presented> = Vec::new();
    for name in claims.iter().flat_map(|claim| table.route(claim).auth.iter().flatten()) {
        if presented.iter().all(|known| known.header != name)
            && let Some(key) = presented_in(headers, name)
        {
            presented.push(Presented { header: name, principal: auth::identified(app, Some(key)).await? });
        }
    }
    agreed(&presented)?;
    let mut met = Vec::new();
    for mut claim in claims.iter().cloned() {
        let route = table.route(&claim);
        let is_good =
            |name: &String| presented.iter().any(|one| one.header == *name && one.principal.caller().is_some());
        claim.is_known = route.auth.iter().any(|set| !set.is_empty() && set.iter().all(is_good));
        if claim.is_known || route.is_public() {
            met.push(claim);
        }
    }
    if met.is_empty() {
        let sets = claims.first().map(|claim| table.route(claim).auth.as_slice()).unwrap_or_default();
        return Err(refused(sets, &presented));
    }
    let mut who: Vec<_> = presented.into_iter().filter(|one| one.principal.caller().is_some()).collect();
    // Of several credentials the one that reaches least counts: that of a device before that of an account.
    who.sort_by_key(|one| one.principal.caller().is_some_and(|caller| caller.device().is_some()));
    Ok((met, who.pop().map_or(Principal::Anonymous, |one| one.principal)))
}

/// Several credentials must be of one tenant, or one of them would lend the other its rights.
fn agreed(presented: &[Presented]) -> Result<(), Problem> {
    let mut tenants = presented.iter().filter_map(|one| one.principal.caller()).map(|caller| caller.tenant());
    let first = tenants.next();
    if tenants.any(|other| Some(other) != first) {
        let why = "the credentials of this request belong to different accounts; send those of one";
        return Err(Problem::new(ProblemCode::Unauthenticated, why));
    }
    Ok(())
}

/// Says what is missing of the set that comes closest, or that what came is not valid.
fn refused(sets: &[Vec<String>], presented: &[Presented]) -> Problem {
    let came = |name: &String| presented.iter().any(|one| one.header == *name);
    let missing = |set: &Vec<String>| -> Vec<String> { set.iter().filter(|name| !came(name)).cloned().collect() };
    let missing = sets.iter().map(missing).min_by_key(Vec::len).unwrap_or_default();
    let why = match missing.as_slice() {
        [] => "a key of this request is unknown, expired or revoked; send a valid one".to_owned(),
        names => format!("a key is needed in the header `{}`", names.join("`, `")),
    };
    Problem::new(ProblemCode::Unauthenticated, why).missing(missing)
}
