//! Section "Files": uploads that are sent by their id.

use portico_sdk::api::{Media, MediaLink, media_link_path};
use portico_sdk::dialect::{Call, Fault, Route, delete, get, post};
use portico_sdk::gateway::segment;
use portico_sdk::http::{Response, Upload};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::names::{file_of, link_of, media_of};
use crate::{COMMON, Devices, UPLOAD, bad, data, told};

pub(crate) const ROUTES: &[Route<Devices>] = &[
    post("/api/whatsapp/files/upload").limits(UPLOAD).multipart().run(upload),
    get("/api/whatsapp/files/{fileId}").limits(COMMON).run(show),
    get("/api/whatsapp/files/users/{userId}/stats").limits(COMMON),
    get("/api/whatsapp/files/users/{userId}/{type}").limits(COMMON),
    delete("/api/whatsapp/files/{fileId}").limits(COMMON).run(remove),
    delete("/api/whatsapp/files/bulk").limits(COMMON).run(remove_many),
    get("/api/whatsapp/files/{fileId}/preview").public().limits(COMMON).run(preview),
    get("/api/whatsapp/files/{fileId}/download").limits(COMMON).run(download),
];

/// The types of files that are taken.
const TYPES: [&str; 23] = [
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/webp",
    "video/mp4",
    "video/x-msvideo",
    "video/avi",
    "video/quicktime",
    "application/pdf",
    "application/msword",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.ms-excel",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.ms-powerpoint",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "audio/mpeg",
    "audio/mp3",
    "audio/wav",
    "audio/x-wav",
    "audio/wave",
    "audio/vnd.wave",
    "audio/ogg",
    "application/ogg",
];

/// Types of containers that documents of an office come in, where their bytes tell no more.
const CONTAINERS: [&str; 2] = ["application/x-ole-storage", "application/zip"];
/// Endings of names by which such a document is known then.
const OFFICE: [&str; 6] = ["doc", "docx", "xls", "xlsx", "ppt", "pptx"];

/// Files that one request may delete: each is a request of the core, and a call may make only so many.
const DELETED_MAX: usize = 30;

/// The file is stored when it comes in; one of another type is removed again.
fn upload(call: &Call<Devices>) -> Result<Response, Fault> {
    let Some(file) = call.request.part_upload(Some("file")) else {
        return Err(Fault::invalid("file", "a multipart body with a file of this name is needed"));
    };
    if !is_taken(file) {
        // It expires by itself if this fails.
        let _ = call.gateway.delete(&format!("/v1/media/{}", file.id));
        return Err(bad::file_type());
    }
    let link: MediaLink = call.gateway.post_empty(&format!("/v1/media/{}/link", file.id))?.json()?;
    Ok(data(view(&file_of(&link.token), file.file_name.as_deref(), file.bytes, &file.media_type)))
}

fn is_taken(file: &Upload) -> bool {
    let ending = file.file_name.as_deref().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
    let is_office = ending.is_some_and(|ending| OFFICE.iter().any(|known| known.eq_ignore_ascii_case(ending)));
    let media_type = file.media_type.as_str();
    TYPES.contains(&media_type) || (is_office && CONTAINERS.contains(&media_type))
}

fn view(file: &str, name: Option<&str>, bytes: u64, media_type: &str) -> Value {
    json!({
        "url": format!("/api/whatsapp/files/{file}"),
        "fileId": file,
        "filename": name,
        "size": bytes,
        "mimetype": media_type,
    })
}

fn show(call: &Call<Devices>) -> Result<Response, Fault> {
    let file = known(call)?;
    let mut shown = view(call.raw("fileId"), file.file_name.as_deref(), file.bytes, &file.media_type);
    shown["uploadedAt"] = json!(file.created_at);
    shown["expiresAt"] = json!(file.expires_at);
    Ok(data(shown))
}

/// Looks the file up first: what the host streams can't become an error of this API any more.
fn download(call: &Call<Devices>) -> Result<Response, Fault> {
    Ok(Response::of(format!("/v1/media/{}/content", known(call)?.id)))
}

/// Anybody may see a file whose id carries a link that has not ended. The host words what the core refuses.
fn preview(call: &Call<Devices>) -> Result<Response, Fault> {
    let token = link_of(call.raw("fileId")).ok_or_else(bad::no_such_file)?;
    Ok(Response::of(media_link_path(&segment(&token))))
}

fn known(call: &Call<Devices>) -> Result<Media, Fault> {
    let answer = call.gateway.get(&format!("/v1/media/{}", call.param("fileId")?)).map_err(bad::of_file)?;
    Ok(answer.json()?)
}

fn remove(call: &Call<Devices>) -> Result<Response, Fault> {
    call.gateway.delete(&format!("/v1/media/{}", call.param("fileId")?)).map_err(bad::of_file)?;
    Ok(told(json!({ "fileId": call.raw("fileId") }), Some("File deleted")))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileIds {
    file_ids: Vec<String>,
}

/// Files that are not there are named in the answer; the others are deleted all the same.
fn remove_many(call: &Call<Devices>) -> Result<Response, Fault> {
    let FileIds { file_ids } = call.json()?;
    if file_ids.len() > DELETED_MAX {
        return Err(Fault::invalid("fileIds", "may name 30 files at most"));
    }
    let (mut deleted, mut missing) = (Vec::new(), Vec::new());
    for file in file_ids {
        let gone = match media_of(&file) {
            Some(media) => call.gateway.delete(&format!("/v1/media/{media}")).map(drop).map_err(Fault::from),
            None => Err(bad::no_such_file()),
        };
        match gone {
            Ok(()) => deleted.push(file),
            Err(fault) if fault.is_not_found() => missing.push(file),
            Err(fault) => return Err(fault),
        }
    }
    Ok(data(json!({ "deleted": deleted, "notFound": missing })))
}
