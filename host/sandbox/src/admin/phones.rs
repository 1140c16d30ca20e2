//! Phones: creating, looking, linking, showing and hiding.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use serde::{Deserialize, Serialize};

use super::input::{Asked, Input, Named};
use super::problem::Problem;
use crate::network::Network;
use crate::pairing::qr;
use crate::phone::event::Presence;
use crate::phone::handle::Phone;
use crate::phone::report::DeviceReport;
use crate::sandbox::create_phone;
use crate::{AppStateEntry, ChatSetting, Error, Paired, Script};

/// A phone as the API shows it.
#[derive(Serialize)]
pub(super) struct PhoneReport {
    number: String,
    lid: String,
    jid: String,
    name: String,
    online: bool,
    duplicates: u64,
    devices: Vec<DeviceReport>,
}

impl From<&Phone> for PhoneReport {
    fn from(phone: &Phone) -> Self {
        Self {
            number: phone.number().to_owned(),
            lid: phone.lid().to_owned(),
            jid: phone.jid(),
            name: phone.name(),
            online: phone.is_online(),
            duplicates: phone.duplicates(),
            devices: phone.devices(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPhone {
    number: Option<String>,
    name: Option<String>,
}

/// `POST /phones`
pub(super) async fn create(
    State(network): State<Arc<Network>>,
    Input(new): Input<NewPhone>,
) -> Result<(StatusCode, Json<PhoneReport>), Problem> {
    let phone = create_phone(&network, new.number.as_deref(), new.name.as_deref())?;
    Ok((StatusCode::CREATED, Json(PhoneReport::from(&phone))))
}

/// `GET /phones`
pub(super) async fn list(State(network): State<Arc<Network>>) -> Json<Vec<PhoneReport>> {
    let all = network.directory.all().into_iter().map(|account| Phone::new(Arc::clone(&network), account));
    Json(all.map(|phone| PhoneReport::from(&phone)).collect())
}

/// `GET /phones/{number}`
pub(super) async fn show(Named(phone): Named) -> Json<PhoneReport> {
    Json(PhoneReport::from(&phone))
}

#[derive(Deserialize)]
pub(super) struct WhichPhone {
    phone: Option<String>,
}

/// `POST /admin/mock-phone/scan-qr`: the named phone, created if missing, or a fresh one scans.
pub(super) async fn scan_with_any(
    State(network): State<Arc<Network>>,
    Asked(which): Asked<WhichPhone>,
    text: String,
) -> Result<Json<Paired>, Problem> {
    let phone = match which.phone {
        Some(number) => Phone::new(Arc::clone(&network), network.account(&number)?),
        None => nobodys(&network, &text)?,
    };
    Ok(Json(phone.scan_qr(&text).await?))
}

/// The phone that scans when none is named: a fresh one, or the one with the client's push name.
fn nobodys(network: &Arc<Network>, text: &str) -> Result<Phone, Error> {
    let by_name = network.by_push_name.load(Ordering::Relaxed);
    match qr::push_name(network, text).filter(|_| by_name) {
        Some(name) => Ok(Phone::new(Arc::clone(network), network.account_named(&name)?)),
        None => create_phone(network, None, None),
    }
}

/// `POST /phones/{number}/scan-qr`
pub(super) async fn scan(Named(phone): Named, text: String) -> Result<Json<Paired>, Problem> {
    Ok(Json(phone.scan_qr(&text).await?))
}

#[derive(Deserialize)]
pub(super) struct Code {
    code: String,
}

/// `POST /phones/{number}/enter-code`
pub(super) async fn enter_code(Named(phone): Named, Input(code): Input<Code>) -> Result<Json<Paired>, Problem> {
    Ok(Json(phone.enter_code(&code.code).await?))
}

/// `DELETE /phones/{number}/devices/{device}`
pub(super) async fn unlink(Named(phone): Named, Path((_, device)): Path<(String, u16)>) -> Result<StatusCode, Problem> {
    if phone.unlink(device) { Ok(StatusCode::NO_CONTENT) } else { Err(Error::UnknownPhone.into()) }
}

#[derive(Deserialize)]
pub(super) struct Shown {
    state: Presence,
}

/// `POST /phones/{number}/presence`
pub(super) async fn presence(Named(phone): Named, Input(shown): Input<Shown>) -> Result<StatusCode, Problem> {
    phone.presence(shown.state)?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /phones/{number}/app-state`: every record, as the phone opens it.
pub(super) async fn app_state(Named(phone): Named) -> Json<Vec<AppStateEntry>> {
    Json(phone.app_state())
}

/// `POST /phones/{number}/app-state`: the phone's user changes a setting.
pub(super) async fn set(Named(phone): Named, Input(setting): Input<ChatSetting>) -> Result<StatusCode, Problem> {
    phone.set(setting)?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /phones/{number}/script`
pub(super) async fn script(Named(phone): Named) -> Json<Option<Script>> {
    Json(phone.script())
}

/// `PUT /phones/{number}/script`
pub(super) async fn follow(Named(phone): Named, Input(script): Input<Script>) -> Result<StatusCode, Problem> {
    phone.follow(Some(script))?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /phones/{number}/script`
pub(super) async fn unfollow(Named(phone): Named) -> Result<StatusCode, Problem> {
    phone.follow(None)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
pub(super) struct Watched {
    chat: String,
}

/// `POST /phones/{number}/watch`
pub(super) async fn watch(Named(phone): Named, Input(watched): Input<Watched>) -> Result<StatusCode, Problem> {
    phone.watch(&watched.chat)?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /phones/{number}/offline`
pub(super) async fn offline(Named(phone): Named) -> StatusCode {
    phone.offline();
    StatusCode::NO_CONTENT
}

/// `POST /phones/{number}/online`
pub(super) async fn online(Named(phone): Named) -> StatusCode {
    phone.online();
    StatusCode::NO_CONTENT
}
