//! Offers of plugins: which version is current, who may use it, and how far.

use axum::http::StatusCode;
use axum::response::Response;
use portico_api::{PluginOffer, PluginOfferPatch};
use portico_core::Error;
use portico_core::plugin::{Audience, offer};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{HandlerResult, answered};
use crate::api::App;
use crate::extract::path::PluginPath;
use crate::extract::query::IdempotencyKey;
use crate::extract::{Auth, Json};

/// The routes of offers.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(offer, change_offer)).routes(routes!(roll_back))
}

/// Look at the offer of a plugin
#[utoipa::path(get, path = "/v1/plugins/{id}/offer", tag = "plugins", security(("key" = ["server:admin"])), params(PluginPath),
    responses((status = 200, description = "The offer", body = PluginOffer)))]
pub(super) async fn offer(Auth(ctx): Auth, path: PluginPath) -> HandlerResult<Json<PluginOffer>> {
    Ok(Json((&offer::get(&ctx, &path.id).await?).into()))
}

/// Change the offer of a plugin
///
/// Another version for calls that begin from then on, other tenants, other grants.
#[utoipa::path(patch, path = "/v1/plugins/{id}/offer", tag = "plugins", security(("key" = ["server:admin"])), params(PluginPath),
    request_body = PluginOfferPatch, responses((status = 200, description = "The offer", body = PluginOffer)))]
pub(super) async fn change_offer(
    Auth(ctx): Auth,
    path: PluginPath,
    Json(body): Json<PluginOfferPatch>,
) -> HandlerResult<Json<PluginOffer>> {
    let PluginOfferPatch { digest, grants_max, tenants, default_state, public_routes, revision } = body;
    let grants_max = grants_max.map(|list| list.map(|list| list.into_inner().into_iter().map(Into::into).collect()));
    let tenants = tenants.map(|list| list.map(|list| list.into_inner()));
    let audience = match tenants {
        None => None,
        Some(None) => Some(Audience::Everybody),
        Some(Some(list)) => {
            let tenant = |text: &String| text.parse().map_err(|_| Error::invalid("tenants", "must be ids of tenants"));
            Some(Audience::Tenants(list.iter().map(tenant).collect::<Result<_, _>>()?))
        }
    };
    let default_state = default_state.map(Into::into);
    let public_routes = public_routes.map(|state| state.map(Into::into));
    let patch = offer::OfferPatch { digest, grants_max, audience, default_state, public_routes, revision };
    Ok(Json((&offer::change(&ctx, &path.id, patch).await?).into()))
}

/// Go back to the version before
///
/// Calls that begin from then on are made to it; doing so twice leads back.
#[utoipa::path(post, path = "/v1/plugins/{id}/rollback", tag = "plugins", security(("key" = ["server:admin"])),
    params(PluginPath, IdempotencyKey), responses((status = 200, description = "The offer", body = PluginOffer)))]
pub(super) async fn roll_back(Auth(ctx): Auth, path: PluginPath) -> HandlerResult<Response> {
    let offer = offer::roll_back(&ctx, &path.id).await?;
    Ok(answered(&ctx, StatusCode::OK, &offer))
}
