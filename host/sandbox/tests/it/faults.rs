//! Faults, as real clients meet them.

use serde_json::json;

use portico_sandbox::{Capping, Config, Effect, Fault, LinkEnd, Place, Restriction, Sandbox};
use whatsapp_rust::wacore::types::events::Event;

use crate::Outcome;
use crate::admin::call;
use portico_client::TestClient;

const CLIENT: &str = "15550100001";
const OTHER: &str = "15550100002";

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn scene() -> Result<(Sandbox, TestClient), Failure> {
    let sandbox = Sandbox::start(Config::default()).await?;
    let own = sandbox.phone(CLIENT)?;
    sandbox.phone(OTHER)?;
    let client = TestClient::linked(&sandbox, &own).await?;
    Ok((sandbox, client))
}

fn fault(at: Place, effect: Effect) -> Fault {
    Fault { at, effect, phone: None, device: None, of: None, times: Some(1) }
}

/// The server's word on a sent message: `None` is an acknowledgement.
async fn verdict(client: &TestClient, id: &str) -> Result<Option<String>, Failure> {
    let ack = |event: &Event| match event {
        Event::ServerAck(ack) if ack.id == id => Some(ack.error.clone()),
        _ => None,
    };
    Ok(client.next("an acknowledgement", ack).await?)
}

#[tokio::test]
async fn first_contacts_are_refused_with_463_and_open_chats_go_on() -> Outcome {
    let (sandbox, client) = scene().await?;
    let own = sandbox.phone(CLIENT)?;
    sandbox.phone("15550100003")?;
    let capping = Capping { total: 1, ..Capping::default() };
    own.restrict(Restriction { capping: Some(capping), ..Restriction::default() });
    let first = client.send_text(OTHER, "within the quota").await?;
    assert_eq!(verdict(&client, &first).await?, None);
    let second = client.send_text("15550100003", "beyond it").await?;
    assert_eq!(verdict(&client, &second).await?.as_deref(), Some("463"));
    assert_eq!(client.client.mex().fetch_reachout_timelock().await?.is_active, Some(false));
    let until = 4_102_444_800;
    own.restrict(Restriction { reach_out_until_s: Some(until), ..Restriction::default() });
    let third = client.send_text("15550100003", "locked").await?;
    assert_eq!(verdict(&client, &third).await?.as_deref(), Some("463"));
    let lock = client.client.mex().fetch_reachout_timelock().await?;
    assert_eq!((lock.is_active, lock.time_enforcement_ends), (Some(true), Some(until.to_string())));
    let open = client.send_text(OTHER, "an open chat").await?;
    assert_eq!(verdict(&client, &open).await?, None);
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn stanzas_are_lost_late_doubled_and_swapped() -> Outcome {
    let (sandbox, client) = scene().await?;
    let other = sandbox.phone(OTHER)?;
    let on = |effect| Fault { of: Some("message".into()), ..fault(Place::Deliver, effect) };
    sandbox.add_fault(on(Effect::Swap))?;
    other.send_text(CLIENT, "one").await?;
    other.send_text(CLIENT, "two").await?;
    assert_eq!([client.next_text().await?.0, client.next_text().await?.0], ["two", "one"]);
    sandbox.add_fault(on(Effect::Drop))?;
    other.send_text(CLIENT, "lost").await?;
    sandbox.add_fault(on(Effect::Duplicate))?;
    other.send_text(CLIENT, "doubled").await?;
    sandbox.add_fault(on(Effect::DelayMs(300)))?;
    other.send_text(CLIENT, "late").await?;
    other.send_text(CLIENT, "in time").await?;
    // The double is recognised by the client and not shown.
    let mut texts = Vec::new();
    for _ in 0..3 {
        texts.push(client.next_text().await?.0);
    }
    assert_eq!(texts, ["doubled", "in time", "late"]);
    assert!(sandbox.faults().iter().all(|fault| fault.struck == 1));
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_ban_has_an_end_and_a_conflict_replaces() -> Outcome {
    let (sandbox, client) = scene().await?;
    let own = sandbox.phone(CLIENT)?;
    sandbox.add_fault(fault(Place::Login, Effect::Fail { reason: 402, code: Some(101), expire_s: Some(3_600) }))?;
    assert!(own.end_link(1, LinkEnd::Restart));
    let banned = |event: &Event| match event {
        Event::TemporaryBan(ban) => Some(ban.expire.num_seconds()),
        _ => None,
    };
    assert_eq!(client.next("a ban", banned).await?, 3_600);
    client.stop().await;
    let second = TestClient::linked(&sandbox, &own).await?;
    assert!(own.end_link(2, LinkEnd::Conflict));
    second.next("replaced", |event| matches!(event, Event::StreamReplaced(_)).then_some(())).await?;
    second.stop().await;
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn requests_and_files_are_refused() -> Outcome {
    let (sandbox, client) = scene().await?;
    let body = json!({"at": "request", "do": {"refuse": 500}, "of": "w:g2", "phone": CLIENT, "times": 1}).to_string();
    let (status, added) = call(&sandbox, "POST", "/faults", &body).await?;
    assert_eq!((status, added["id"].is_u64()), (201, true));
    assert!(client.client.groups().get_participating().await.is_err());
    assert!(client.client.groups().get_participating().await?.is_empty());
    let (_, all) = call(&sandbox, "GET", "/faults", "").await?;
    assert_eq!(all[0]["struck"], 1);
    let wrong = json!({"at": "login", "do": "drop"}).to_string();
    assert_eq!(call(&sandbox, "POST", "/faults", &wrong).await?.0, 400);
    assert_eq!(call(&sandbox, "DELETE", "/faults", "").await?.0, 204);
    assert!(sandbox.faults().is_empty());
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_refused_logout_unlinks_nobody() -> Outcome {
    let (sandbox, client) = scene().await?;
    let own = sandbox.phone(CLIENT)?;
    sandbox.add_fault(Fault { of: Some("md".into()), ..fault(Place::Request, Effect::Refuse(403)) })?;
    // Whatever the client makes of the refusal, the server keeps the device.
    let _ = client.client.logout().await;
    assert_eq!(own.devices().len(), 2);
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}
