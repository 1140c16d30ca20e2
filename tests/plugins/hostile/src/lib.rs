//! A guest that misbehaves on request, for the runtime's tests.
//!
//! The input names the misdeed: an event's payload `{"do": …}`, a query's `kind`, a request's path. An unknown or missing
//! one behaves. Invariant: it does nothing that the host is not meant to survive.

use portico_sdk::bindings::portico::plugin::rest;
use portico_sdk::dialect::socket::{Endpoint, Event as SocketEvent, Opening, Reply, Socket};
use portico_sdk::format::{Event, Outcome, Parts, Subscription, WebhookFormat};
use portico_sdk::gateway::Gateway;
use portico_sdk::http::{Host, HttpHandler, Outcome as HttpOutcome, Refusal, Request, Response, Route, Transport};
use portico_sdk::kv::{self, Kv, Scope};
use portico_sdk::pacing::{Decision, DeviceState, Hold, Pacing, Plan, Query};
use portico_sdk::serde_json::json;
use portico_sdk::{Context, HookError, log};

/// The guest.
pub struct Hostile;

portico_sdk::register!(Hostile: webhook_format, pacing, http_handler, dialect_socket);

/// What never comes back, or not with an answer.
fn misbehave(misdeed: &str) {
    match misdeed {
        "panic" => panic!("as asked"),
        "loop" => loop {
            std::hint::spin_loop();
        },
        "eat" => {
            let mut eaten: Vec<Vec<u8>> = Vec::new();
            loop {
                eaten.push(vec![eaten.len() as u8; 1 << 20]);
                std::hint::black_box(&eaten);
            }
        }
        "recurse" => {
            std::hint::black_box(recurse(1));
        }
        "flood" => (0..10_000).for_each(|_| log::info("flooding the log")),
        _ => {}
    }
}

fn recurse(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    if frame[0] == 0 { 0 } else { recurse(depth + 1) + frame[1] }
}

impl WebhookFormat for Hostile {
    fn format(ctx: &Context, _: &Subscription, events: Vec<Event>) -> Result<Vec<Outcome>, HookError> {
        let mut outcomes = Vec::new();
        for event in &events {
            let data = event.data()?;
            let misdeed = data.get("do").and_then(|v| v.as_str()).unwrap_or_default();
            misbehave(misdeed);
            let mut parts = Parts::json(&data)?;
            match misdeed {
                "too-few" => continue,
                "too-many" => outcomes.push(Outcome::Skip("one too many".into())),
                "too-big" => parts.body = vec![b'x'; 2 << 20],
                "huge" => parts.body = vec![b'x'; 20 << 20],
                "split-header" => parts.headers.push(("x-a".into(), "a\r\nx-b: b".into())),
                "forge" => parts.headers.push(("webhook-signature".into(), "v1,forged".into())),
                "bug" => return Err(HookError::Internal("as asked".into())),
                "settings" => return Err(HookError::Config("as asked".into())),
                "rest" => {
                    let refused = Host.call(devices());
                    parts = Parts::json(&format!("{refused:?}"))?;
                }
                "kv" => {
                    let refused = kv::Host.get(&Scope::Tenant, "count");
                    parts = Parts::json(&format!("{refused:?}"))?;
                }
                "tell-settings" => parts = Parts::json(&ctx.settings)?,
                _ => {}
            }
            outcomes.push(Outcome::Send(parts));
        }
        Ok(outcomes)
    }
}

impl Pacing for Hostile {
    fn decide(_: &Context, _: &DeviceState, queries: &[Query]) -> Result<Vec<Decision>, HookError> {
        let decide = |query: &Query| {
            misbehave(&query.kind);
            match query.kind.as_str() {
                "forever" => Decision::Hold(Hold { retry_after: u32::MAX, reason: "as asked".into() }),
                _ => Decision::Go(Plan { delay: 0 }),
            }
        };
        Ok(queries.iter().map(decide).collect())
    }
}

impl HttpHandler for Hostile {
    fn routes() -> Vec<Route> {
        let at = |method: &str, path: &str| Route {
            method: method.into(),
            path: path.into(),
            auth: vec![Vec::new(), vec!["x-api-key".into()]],
            limits: Vec::new(),
            body_max: 0,
            uploads: Vec::new(),
            multipart: false,
            page: false,
        };
        // The last ones are another's: a dialect's that comes with the gateway, and the host's own.
        let others = [at("GET", "/api/instance"), at("GET", "/v1/devices")];
        let own = [at("GET", "/{misdeed}"), at("POST", "/{misdeed}"), at("GET", "/{misdeed}/{id}")];
        own.into_iter().chain(others).collect()
    }

    fn handle(_: &Context, request: Request, core: &dyn Transport) -> Result<HttpOutcome, HookError> {
        let mut segments = request.path.trim_start_matches('/').split('/');
        let (misdeed, id) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
        misbehave(misdeed);
        let answer = match misdeed {
            "rest" => Response::json(200, &format!("{:?}", core.call(devices()))),
            "rest-outside" => {
                let outside = rest::Request { path: "/metrics".into(), ..devices() };
                Response::json(200, &format!("{:?}", core.call(outside)))
            }
            "rest-often" => {
                let refused = (0..1_000).find_map(|_| core.call(devices()).err());
                Response::json(200, &format!("{refused:?}"))
            }
            "kv" => Response::json(200, &counted()),
            "kv-often" => {
                let refused = (0..1_000).find_map(|_| kv::Host.get(&Scope::Tenant, "count").err());
                Response::json(200, &format!("{refused:?}"))
            }
            "status" => Response::json(99, &()),
            "split-header" => {
                let mut answer = Response::json(200, &());
                answer.headers.push(("x-a".into(), "a\nb".into()));
                answer
            }
            "pass" => return Ok(HttpOutcome::Pass),
            "assume" => Response::json(200, &format!("{:?}", Gateway::new(core).assume("portico_guessed"))),
            "assume-many" => {
                let guess = |n: u32| Gateway::new(core).assume(&format!("portico_guess_{n}"));
                let refused: Vec<_> = (0..100).map(guess).map(|guessed| format!("{guessed:?}")).collect();
                Response::json(200, &refused)
            }
            "of-outside" => Response::of("/metrics"),
            "of-media" => Response::of(format!("/v1/media/{id}/content")),
            "send-media" => Response::json(200, &format!("{:?}", core.call(send(&request, id)))),
            "headers" => Response::json(200, &request.headers),
            _ => Response::json(200, &if request.is_authenticated() { "known" } else { "nobody" }),
        };
        Ok(HttpOutcome::Answer(answer))
    }

    fn refuse(_: &Context, why: Refusal) -> Result<Response, HookError> {
        misbehave(&why.code);
        Ok(Response::json(why.status, &why.code))
    }
}

/// What a client says is the misdeed, or what to do at the next event (`at-event <misdeed>`), which is remembered.
impl Socket for Hostile {
    const ENDPOINTS: &'static [Endpoint] = &[Endpoint {
        path: "/hostile",
        credentials: &["token"],
        events: &["device.state", "device.qr", "message.received"],
    }];

    type State = String;

    fn opened(_: &Context, opening: &Opening, _: &Gateway) -> Result<Option<Reply<String>>, HookError> {
        let misdeed = opening.query.iter().find(|(name, _)| name == "do").map(|(_, value)| value.as_str());
        misbehave(misdeed.unwrap_or_default());
        let seen = json!({ "query": opening.query });
        Ok((misdeed != Some("pass")).then(|| Reply::new(String::new()).frames([seen])))
    }

    fn received(_: &Context, state: String, message: &str, _: &Gateway) -> Result<Option<Reply<String>>, HookError> {
        misbehave(message);
        Ok(Some(match message {
            "pass" => return Ok(None),
            "bug" => return Err(HookError::Internal("as asked".into())),
            "fat-state" => Reply::new("x".repeat(1 << 20)),
            "flood-frames" => Reply::new(state).frames((0..10_000).map(|n| json!(n))),
            "huge-frame" => Reply::new(state).frames([json!("x".repeat(5 << 20))]),
            "huge-frames" => Reply::new(state).frames((0..20).map(|_| json!("x".repeat(1 << 20)))),
            "bye" => Reply::new(state).closing("as asked"),
            other => Reply::new(other.strip_prefix("at-event ").unwrap_or(&state).to_owned()).frames([json!(other)]),
        }))
    }

    fn frames(_: &Context, state: String, events: &[SocketEvent], _: &Gateway) -> Result<Reply<String>, HookError> {
        misbehave(&state);
        Ok(Reply::new(state).frames(events.iter().map(|event| json!({ "event": event.name }))))
    }
}

/// Counts its own calls in a value.
fn counted() -> String {
    let before = match kv::Host.get(&Scope::Tenant, "count") {
        Ok(before) => before,
        Err(refused) => return format!("{refused:?}"),
    };
    let count = before.as_ref().and_then(|entry| entry.value.first().copied()).unwrap_or(0) + 1;
    let expect = before.map_or(0, |entry| entry.version);
    match kv::Host.set(&Scope::Tenant, "count", &[count], Some(expect), None) {
        Ok(version) => format!("{count} at version {version}"),
        Err(refused) => format!("{refused:?}"),
    }
}

/// Sends a file of somebody else's; the body of the request names the device and the recipient.
fn send(request: &Request, media: &str) -> rest::Request {
    let header = |name: &str| request.header(name).unwrap_or_default();
    let content = format!(r#"{{"type":"image","media":{{"upload":"{media}"}}}}"#);
    rest::Request {
        method: "POST".into(),
        path: format!("/v1/devices/{}/messages", header("x-device")),
        headers: vec![("content-type".into(), "application/json".into())],
        body: format!(r#"{{"to":"{}","content":{content}}}"#, header("x-to")).into_bytes(),
    }
}

fn devices() -> rest::Request {
    rest::Request { method: "GET".into(), path: "/v1/devices".into(), headers: Vec::new(), body: Vec::new() }
}
