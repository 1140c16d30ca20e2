//! Scripted contacts.

use portico_sandbox::{Config, Rule, Sandbox, Script};

use crate::Outcome;
use portico_client::TestClient;

#[tokio::test]
async fn a_scripted_phone_answers_by_itself() -> Outcome {
    let sandbox = Sandbox::start(Config::default()).await?;
    let (own, shop) = (sandbox.phone("15550100001")?, sandbox.phone("15550100002")?);
    let client = TestClient::linked(&sandbox, &own).await?;
    let rules = vec![
        Rule { contains: Some("price".into()), reply: Some("It costs 5.".into()), read: true, ..Rule::default() },
        Rule { reply: Some("You said: {text}".into()), ..Rule::default() },
    ];
    shop.follow(Some(Script { rules, replies_max: 2 }))?;
    client.send_text("15550100002", "What is the PRICE?").await?;
    assert_eq!(client.next_text().await?.0, "It costs 5.");
    client.send_text("15550100002", "thanks").await?;
    assert_eq!(client.next_text().await?.0, "You said: thanks");
    // Two answers were allowed.
    client.send_text("15550100002", "more").await?;
    shop.wait_until("the third text", |phone| phone.inbox(0, 10).len() == 3).await?;
    assert_eq!(shop.sent().len(), 2);
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}
