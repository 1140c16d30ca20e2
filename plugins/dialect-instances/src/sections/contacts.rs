//! Section "Contacts".

use portico_sdk::api::{CheckedContacts, Page, Party, Person, PictureUrl};
use portico_sdk::dialect::{Call, Dialect, Fault, Route, get, post, put};
use portico_sdk::gateway::{CoreError, segment};
use portico_sdk::http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{COMMON, Instances, data};

pub(crate) const ROUTES: &[Route<Instances>] = &[
    get("/api/contacts/{instanceId}/all").limits(COMMON),
    get("/api/contacts/{instanceId}").limits(COMMON).run(contact),
    get("/api/contacts/{instanceId}/check-exists").limits(COMMON).run(check_exists),
    get("/api/contacts/{instanceId}/about").limits(COMMON).run(about),
    post("/api/contacts/{instanceId}/block").limits(COMMON).run(block),
    post("/api/contacts/{instanceId}/unblock").limits(COMMON).run(unblock),
    put("/api/contacts/{instanceId}/{chatId}").limits(COMMON),
    get("/api/contacts/{instanceId}/lids").limits(COMMON).lists("/v1/devices/{instanceId}/lids", both_names),
    get("/api/contacts/{instanceId}/lids/count").limits(COMMON).run(count_lids),
    get("/api/contacts/{instanceId}/lids/{lid}")
        .limits(COMMON)
        .calls("GET", "/v1/devices/{instanceId}/lids/{lid}")
        .shows(both_names),
    get("/api/contacts/{instanceId}/lids/pn/{phoneNumber}")
        .limits(COMMON)
        .calls("GET", "/v1/devices/{instanceId}/lids/{phoneNumber}")
        .shows(both_names),
];

/// The LID of a path as a JID: the document writes digits.
pub(crate) fn lid(text: &str) -> String {
    if text.contains('@') { text.to_owned() } else { format!("{text}@lid") }
}

/// The device's path in the REST core, and the number the query names.
fn of_query(call: &Call<Instances>) -> Result<(String, String), Fault> {
    let number = call.query("phoneNumber").filter(|text| !text.is_empty());
    let number = number.ok_or_else(|| Fault::says(400, "phoneNumber is required"))?;
    Ok((device(call)?, number.to_owned()))
}

fn device(call: &Call<Instances>) -> Result<String, Fault> {
    Ok(format!("/v1/devices/{}", Instances::param("instanceId", call.raw("instanceId"))?))
}

fn contact(call: &Call<Instances>) -> Result<Response, Fault> {
    let (device, number) = of_query(call)?;
    let contact: Person = call.gateway.get(&format!("{device}/contacts/{}", segment(&number)))?.json()?;
    Ok(data(shown(&contact), None))
}

fn shown(contact: &Person) -> Value {
    json!({
        "id": contact.party.id,
        "phoneNumber": digits(contact.party.pn.as_deref()),
        "lid": contact.party.lid,
        "name": contact.business_name,
        "status": contact.about,
        "isBusiness": contact.is_business,
    })
}

fn digits(jid: Option<&str>) -> Option<&str> {
    jid.and_then(|jid| jid.split('@').next())
}

fn check_exists(call: &Call<Instances>) -> Result<Response, Fault> {
    let (device, number) = of_query(call)?;
    let asked = json!({ "contacts": [number] });
    let checked: CheckedContacts = call.gateway.post(&format!("{device}/contacts/check"), &asked)?.json()?;
    let found = checked.results.into_iter().find_map(|one| one.party);
    Ok(data(json!({ "exists": found.is_some(), "phoneNumber": number, "jid": found.map(|party| party.id) }), None))
}

/// The document titles this "Get Profile Picture", and its path says about: the answer has both.
fn about(call: &Call<Instances>) -> Result<Response, Fault> {
    let (device, number) = of_query(call)?;
    let who = segment(&number);
    let contact: Person = call.gateway.get(&format!("{device}/contacts/{who}"))?.json()?;
    let picture = match call.gateway.get(&format!("{device}/chats/{who}/picture")) {
        Ok(answer) => Some(answer.json::<PictureUrl>()?.url),
        Err(CoreError::Problem(problem)) if problem.status == 404 => None,
        Err(other) => return Err(other.into()),
    };
    let shown = json!({ "phoneNumber": number, "about": contact.about, "profilePicture": picture });
    Ok(data(shown, None))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Who {
    phone_number: String,
}

fn block(call: &Call<Instances>) -> Result<Response, Fault> {
    set_blocked(call, "block", "Contact blocked")
}

fn unblock(call: &Call<Instances>) -> Result<Response, Fault> {
    set_blocked(call, "unblock", "Contact unblocked")
}

fn set_blocked(call: &Call<Instances>, how: &str, says: &'static str) -> Result<Response, Fault> {
    let Who { phone_number } = call.json()?;
    call.gateway.post_empty(&format!("{}/contacts/{}/{how}", device(call)?, segment(&phone_number)))?;
    Ok(data(json!({ "phoneNumber": phone_number }), Some(says)))
}

fn both_names(party: Value) -> Result<Value, Fault> {
    let party: Party = serde_json::from_value(party).map_err(CoreError::from)?;
    Ok(json!({ "lid": party.lid, "pn": party.pn, "phoneNumber": digits(party.pn.as_deref()) }))
}

fn count_lids(call: &Call<Instances>) -> Result<Response, Fault> {
    let page: Page<Party> = call.gateway.get(&format!("{}/lids?limit=1&total=true", device(call)?))?.json()?;
    Ok(data(json!({ "count": page.total.unwrap_or(0) }), None))
}
