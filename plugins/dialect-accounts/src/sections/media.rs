//! Section "Media": files of incoming messages.
//!
//! The document lets anybody download a file who has the message's id. So the id that a webhook tells of a message with a file is
//! WhatsApp's own with the token of a link behind it: the core signs the token, and ends it after a while.

use portico_sdk::api::{Media, Page, media_link_path};
use portico_sdk::dialect::{Call, Fault, Route, get};
use portico_sdk::gateway::segment;
use portico_sdk::http::Response;
use serde_json::json;

use crate::{Accounts, bad, ok};

pub(crate) const ROUTES: &[Route<Accounts>] =
    &[get("/api/media/{messageId}").public().run(download), get("/api/media-stats").run(stats)];

/// Parts of a link's token, between dots. WhatsApp's id before it may have dots as well.
const TOKEN_PARTS: usize = 3;

/// The id of a message whose file the link opens.
pub(crate) fn linked_id(whatsapp_id: &str, token: &str) -> String {
    format!("{whatsapp_id}.{token}")
}

/// Where the file of the message with this id is.
pub(crate) fn path(id: &str) -> String {
    format!("/api/media/{}", segment(id))
}

fn token_of(id: &str) -> Option<&str> {
    let (at, _) = id.rmatch_indices('.').nth(TOKEN_PARTS - 1)?;
    id.get(at + 1..)
}

/// The host streams the file, and has its refusals worded by this API.
fn download(call: &Call<Accounts>) -> Result<Response, Fault> {
    let token = token_of(call.raw("messageId")).ok_or_else(bad::no_such_media)?;
    Ok(Response::of(media_link_path(&segment(token))))
}

fn stats(call: &Call<Accounts>) -> Result<Response, Fault> {
    let files: Page<Media> = call.gateway.get("/v1/media?limit=1&total=true")?.json()?;
    let stats = json!({ "storedMessages": files.total.unwrap_or_default(), "ttl": "24 hours" });
    Ok(ok(None, json!({ "stats": stats })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_carries_its_token() {
        let token = "msg_01.ten.seal";
        for whatsapp_id in ["3EB0", "3.E.B0", ""] {
            assert_eq!(token_of(&linked_id(whatsapp_id, token)), Some(token));
        }
        for id in ["", "3EB0", "NOSUCHMEDIA00", "a.b.c"] {
            assert_eq!(token_of(id), None, "{id}");
        }
    }
}
