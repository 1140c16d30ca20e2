//! Users: sign up, log in, look at and change oneself, and the users of a tenant.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use portico_api::{LoggedIn, Login, Page, SignedUp, User, UserPatch};
use portico_core::Error;
use portico_core::access::keys::{Keeping, NewKey};
use portico_core::access::secret::KeySpelling;
use portico_core::access::users::{self, Account, Password};
use portico_core::access::{login, sign_up};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{HandlerResult, mark_replay};
use crate::api::App;
use crate::config::SignUp;
use crate::extract::query::{IdempotencyKey, PageParams, page};
use crate::extract::{Address, Auth, Json, Query, Repeatable};

/// What the first key of a sign-up is called.
const FIRST_KEY: &str = "first key";

/// The routes of users that need a key or a login.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(me, change_me)).routes(routes!(list))
}

/// Signing up and logging in.
pub(super) fn optional_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(register)).routes(routes!(log_in))
}

/// Sign up
///
/// Makes a tenant with its first user and its first key, where the operator opened sign-up.
#[utoipa::path(post, path = "/v1/sign-up", tag = "users", security(()), params(IdempotencyKey), request_body = portico_api::SignUp,
    responses((status = 201, description = "The user and the key", body = SignedUp)))]
pub(super) async fn register(
    State(app): State<App>,
    Address(address): Address,
    Repeatable(idempotency): Repeatable,
    Json(body): Json<portico_api::SignUp>,
) -> HandlerResult<Response> {
    if app.config.sign_up == SignUp::Closed {
        let why = "sign-up is closed; the operator makes tenants, or opens it with `server.sign_up`".to_owned();
        return Err(Error::Forbidden { why }.into());
    }
    let portico_api::SignUp { name, mobile, email, password, organization, key_format, key_prefix } = body;
    let new = sign_up::NewUser { name, mobile, email, password: Password::from(password), organization };
    let spelling = KeySpelling::new(key_format.into(), key_prefix)
        .map_err(|_| Error::invalid("key_prefix", "must have 1 to 16 letters, digits, `_` and `-`, such as `api_`"))?;
    let key = NewKey { name: FIRST_KEY.to_owned(), spelling, keeping: Keeping::Revealable, ..NewKey::default() };
    let made = sign_up::sign_up(&app.services.ports, new, key, address, idempotency.as_ref()).await?;
    let mut response = (StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], Json(made)).into_response();
    if idempotency.is_some_and(|idempotency| idempotency.was_repeated()) {
        mark_replay(&mut response);
    }
    Ok(response)
}

/// Log in
///
/// Gives a token that stands for the user until it ends; send it where a key goes. Unknown accounts and wrong passwords are
/// not told apart, and too many of either are refused for a while. It takes no `Idempotency-Key`: nothing is made, and a
/// repetition gets a token of its own, which ends later.
#[utoipa::path(post, path = "/v1/login", tag = "users", security(()), request_body = Login,
    responses((status = 200, description = "The token", body = LoggedIn)))]
pub(super) async fn log_in(
    State(app): State<App>,
    Address(address): Address,
    Json(body): Json<Login>,
) -> HandlerResult<Response> {
    let account = Account::one_of(body.mobile.as_deref(), body.email.as_deref())?;
    let password = Password::from(body.password);
    let logged_in = login::login(&app.services.ports, account, &password, address).await?;
    let body = LoggedIn {
        token: logged_in.token.to_string(),
        expires_at: logged_in.expires_at.into(),
        user: (&logged_in.user).into(),
    };
    Ok(([(CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

/// Look at oneself
///
/// The user who logged in; a key is none.
#[utoipa::path(get, path = "/v1/users/me", tag = "users", security(("key" = [])),
    responses((status = 200, description = "The user", body = User)))]
pub(super) async fn me(Auth(ctx): Auth) -> HandlerResult<Json<User>> {
    Ok(Json((&users::me(&ctx).await?).into()))
}

/// Change oneself
///
/// Another password ends all logins, this one too.
#[utoipa::path(patch, path = "/v1/users/me", tag = "users", security(("key" = [])), request_body = UserPatch,
    responses((status = 200, description = "The user", body = User)))]
pub(super) async fn change_me(Auth(ctx): Auth, Json(body): Json<UserPatch>) -> HandlerResult<Json<User>> {
    let UserPatch { name, mobile, email, password, current_password } = body;
    let (password, current_password) = (password.map(Password::from), current_password.map(Password::from));
    let patch = users::UserPatch { name, mobile, email, password, current_password };
    Ok(Json((&users::change_me(&ctx, patch).await?).into()))
}

/// List users
///
/// Those of the tenant, newest first.
#[utoipa::path(get, path = "/v1/users", tag = "users", security(("key" = ["keys:write"])), params(PageParams),
    responses((status = 200, description = "Users", body = Page<User>)))]
pub(super) async fn list(Auth(ctx): Auth, Query(query): Query<PageParams>) -> HandlerResult<Json<Page<User>>> {
    let page = page!(&ctx, query)?;
    Ok(Json(users::list(&ctx, page).await?.view()))
}
