//! Many messages at once: none lost, none twice, none out of order.

use std::collections::HashMap;

use portico_sandbox::{Config, Sandbox};
use whatsapp_rust::prelude::{Event, MessageExt};

use crate::Outcome;
use portico_client::{TestClient, wait_until};

const CLIENT: &str = "15550100001";
const PHONES: usize = 5;
const TEXTS: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn several_phones_flood_one_client() -> Outcome {
    let sandbox = Sandbox::start(Config::default()).await?;
    let own = sandbox.phone(CLIENT)?;
    let client = TestClient::linked(&sandbox, &own).await?;
    let mut phones = Vec::new();
    let mut floods = Vec::new();
    for n in 0..PHONES {
        let phone = sandbox.phone(&format!("1555010100{n}"))?;
        phones.push(phone.clone());
        floods.push(tokio::spawn(async move {
            for k in 0..TEXTS {
                phone.send_text(CLIENT, &k.to_string()).await?;
            }
            Ok::<(), portico_sandbox::Error>(())
        }));
    }
    let mut seen: HashMap<String, Vec<String>> = HashMap::new();
    while seen.values().map(Vec::len).sum::<usize>() < PHONES * TEXTS {
        let texts = |event: &Event| match event {
            Event::Messages(batch) => {
                let pair = |from: String, text: &str| (from, text.to_owned());
                let texts = batch
                    .iter()
                    .filter_map(|one| Some(pair(one.info.source.chat.to_string(), one.message.text_content()?)));
                Some(texts.collect::<Vec<_>>())
            }
            _ => None,
        };
        for (from, text) in client.next("texts", texts).await? {
            seen.entry(from).or_default().push(text);
        }
    }
    for flood in floods {
        flood.await??;
    }
    let expected: Vec<String> = (0..TEXTS).map(|k| k.to_string()).collect();
    assert_eq!(seen.len(), PHONES);
    assert!(seen.values().all(|texts| *texts == expected));
    let confirmed = || {
        phones.iter().all(|phone| {
            phone.sent().iter().all(|sent| sent.ack_ms.is_some() && sent.delivered_ms.is_some() && sent.retries == 0)
        })
    };
    wait_until(confirmed).await?;
    wait_until(|| own.devices().iter().all(|device| device.queued == 0 && device.dropped == 0)).await?;
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}
