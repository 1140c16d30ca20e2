//! Groups and communities: clients and phones in one of them.

use portico_sandbox::{Config, GroupChange, Sandbox};
use whatsapp_rust::prelude::*;
use whatsapp_rust::wacore::types::events::Event;
use whatsapp_rust::{CreateCommunityOptions, GroupCreateOptions, GroupParticipantOptions};

use crate::Outcome;
use portico_client::{TestClient, wait_until};

const CLIENT: &str = "15550100001";
const ADA: &str = "15550100002";
const BOB: &str = "15550100003";

fn text(text: &str) -> wa::Message {
    wa::Message { conversation: Some(text.to_owned()), ..Default::default() }
}

#[tokio::test]
async fn client_and_phones_write_into_a_group() -> Outcome {
    let sandbox = Sandbox::start(Config::default()).await?;
    let (own, ada, bob) = (sandbox.phone(CLIENT)?, sandbox.phone(ADA)?, sandbox.phone(BOB)?);
    let client = TestClient::linked(&sandbox, &own).await?;
    let options = GroupCreateOptions::new("Team").with_participants(vec![GroupParticipantOptions::new(Jid::pn(ADA))]);
    let group = client.client.groups().create_group(options).await?.metadata.id;
    client.client.send_message(group.clone(), text("welcome")).await?;
    let entry = ada.next_message().await?;
    assert_eq!((entry.text.as_deref(), entry.chat, entry.from.as_str()), (Some("welcome"), group.to_string(), CLIENT));
    ada.read(&group.to_string(), std::slice::from_ref(&entry.id))?;
    let read = |event: &Event| match event {
        Event::Receipt(receipt) if receipt.message_ids.contains(&entry.id) => {
            Some((format!("{:?}", receipt.r#type), receipt.source.sender.user.to_string()))
        }
        _ => None,
    };
    while !client.next("a read receipt", read).await?.0.contains("Read") {}

    ada.send_text(&group.to_string(), "thanks").await?;
    assert_eq!(client.next_text().await?.0, "thanks");
    // A member that came later gets a key of its own and reads what comes after.
    client.client.groups().add_participants(&group, &[Jid::pn(BOB)]).await?;
    ada.send_text(&group.to_string(), "hello Bob").await?;
    assert_eq!(bob.next_text().await?, "hello Bob");
    assert_eq!(client.next_text().await?.0, "hello Bob");
    bob.send_text(&group.to_string(), "hello all").await?;
    assert_eq!(ada.next_text().await?, "hello all");
    assert_eq!(client.next_text().await?.0, "hello all");
    // One that left gets nothing more and cannot write.
    bob.leave_group(&group.to_string())?;
    client.client.send_message(group.clone(), text("without Bob")).await?;
    assert_eq!(ada.next_text().await?, "without Bob");
    bob.send_text(&group.to_string(), "still here?").await?;
    assert_eq!(bob.sent().last().and_then(|sent| sent.error), Some(403));
    assert!(bob.inbox(0, 10).iter().all(|entry| entry.text.as_deref() != Some("without Bob")));
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn rules_of_a_group_hold_and_changes_are_announced() -> Outcome {
    let sandbox = Sandbox::start(Config::default()).await?;
    let (own, ada, bob) = (sandbox.phone(CLIENT)?, sandbox.phone(ADA)?, sandbox.phone(BOB)?);
    let client = TestClient::linked(&sandbox, &own).await?;
    let group = ada.create_group("Club", &[CLIENT.to_owned()])?;
    client.next("the group", |event| matches!(event, Event::GroupUpdate(_)).then_some(())).await?;
    let jid: Jid = group.parse()?;
    // The client is no admin.
    assert!(client.client.groups().set_announce(&jid, true).await.is_err());
    assert!(bob.change_group(&group, &GroupChange::Subject("Mine".into())).is_err());
    ada.change_group(&group, &GroupChange::Subject("Chess club".into()))?;
    ada.change_group(&group, &GroupChange::Description("Tuesdays".into()))?;
    ada.change_group(&group, &GroupChange::Announcement(true))?;
    ada.change_group(&group, &GroupChange::Ephemeral(86_400))?;
    let metadata = client.client.groups().get_metadata(&jid).await?;
    assert_eq!((metadata.subject.as_str(), metadata.is_announcement), ("Chess club", true));
    assert_eq!(metadata.description.as_deref(), Some("Tuesdays"));
    assert_eq!(metadata.ephemeral.and_then(|settings| settings.expiration), Some(86_400));
    // Joining by link waits for an admin.
    ada.change_group(&group, &GroupChange::Approval(true))?;
    bob.join_group(&ada.group_invite(&group)?)?;
    ada.change_group(&group, &GroupChange::Promote(vec![CLIENT.into()]))?;
    let requests = client.client.groups().get_membership_requests(&jid).await?;
    assert_eq!(requests.iter().map(|one| one.jid.user.as_str()).collect::<Vec<_>>(), [bob.lid()]);
    ada.change_group(&group, &GroupChange::Approve(vec![BOB.into()]))?;
    let members = client.client.groups().get_metadata(&jid).await?.participants.len();
    assert_eq!(members, 3);
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_community_has_its_announcement_group() -> Outcome {
    let sandbox = Sandbox::start(Config::default()).await?;
    let own = sandbox.phone(CLIENT)?;
    let client = TestClient::linked(&sandbox, &own).await?;
    let community = client.client.community().create(CreateCommunityOptions::new("Village")).await?.metadata.id;
    let sub_groups = client.client.community().get_subgroups(&community).await?;
    assert!(sub_groups.iter().any(|group| group.is_default_sub_group));
    assert!(sub_groups.iter().any(|group| group.is_general_chat));
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_device_that_lost_its_keys_asks_again() -> Outcome {
    let sandbox = Sandbox::start(Config::default()).await?;
    let (own, ada) = (sandbox.phone(CLIENT)?, sandbox.phone(ADA)?);
    let client = TestClient::linked(&sandbox, &own).await?;
    let group = ada.create_group("Pair", &[CLIENT.to_owned()])?;
    ada.send_text(&group, "one").await?;
    assert_eq!(client.next_text().await?.0, "one");
    client.client.send_message(group.parse::<Jid>()?, text("two")).await?;
    assert_eq!(ada.next_text().await?, "two");
    // The phone loses the client's key and gets the message again with a new one.
    ada.forget_sender_keys().await;
    client.client.send_message(group.parse::<Jid>()?, text("three")).await?;
    assert_eq!(ada.next_text().await?, "three");
    wait_until(|| own.devices().iter().all(|device| device.queued == 0)).await?;
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}
