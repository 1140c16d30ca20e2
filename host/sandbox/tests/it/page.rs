//! The page of the sandbox, used in a real browser as a person would.

use serde_json::json;

use portico_sandbox::{Config, Sandbox};

use crate::Outcome;
use crate::browser::Browser;
use portico_client::TestClient;

const CLIENT: &str = "15550100001";
const ADA: &str = "15550100002";

/// Puts a value into a form's field and sends the form, as typing and pressing Enter do.
fn send(form: &str, field: &str, value: &str) -> String {
    format!(
        "(() => {{ const form = document.querySelector({form}); form[{field}].value = {value}; form.requestSubmit(); }})()",
        form = json!(form),
        field = json!(field),
        value = json!(value)
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_pairs_writes_and_sees_the_answer() -> Outcome {
    let sandbox = Sandbox::start(Config::default()).await?;
    let (own, ada) = (sandbox.phone(CLIENT)?, sandbox.create_phone(Some(ADA), Some("Ada"))?);
    let client = TestClient::new(&sandbox).await?;
    let qr = client.qr().await?;
    let mut page = Browser::open(&format!("http://{}/", sandbox.admin_addr())).await?;
    let card = |number: &str| format!("[data-number='{number}']");
    page.until(&format!("document.querySelectorAll(\"{}\").length === 1", card(ADA))).await?;

    page.value(&send(&format!("{} .scan", card(CLIENT)), "qr", &qr)).await?;
    client.connected().await?;
    let connected = format!("document.querySelector(\"{}\").innerText.includes('connected')", card(CLIENT));
    page.until(&connected).await?;

    // Ada writes to the client's number, in the chat the page offers.
    let choose = format!("document.querySelector(\"{} .chats select\").value = '{CLIENT}'", card(ADA));
    page.until(&format!("({choose}) === document.querySelector(\"{} .chats select\").value", card(ADA))).await?;
    page.value(&send(&format!("{} .write", card(ADA)), "text", "<b>hi</b>")).await?;
    assert_eq!(client.next_text().await?.0, "<b>hi</b>");
    client.send_text(ADA, "an answer").await?;
    let answered = format!("document.querySelector(\"{} .messages\").innerText.includes('an answer')", card(ADA));
    page.until(&answered).await?;
    // What people write is text and stays text.
    let markup = format!("document.querySelectorAll(\"{} .messages b\").length", card(ADA));
    assert_eq!(page.value(&markup).await?, json!(0));

    // A fault is switched on and shown.
    let fault = "document.querySelector('#new-fault').requestSubmit()";
    page.value(fault).await?;
    page.until("document.querySelector('#fault-count').textContent === '1'").await?;
    assert_eq!(sandbox.faults().len(), 1);
    page.keep_picture("sandbox-page.png").await?;
    assert_eq!((own.devices().len(), ada.inbox(0, 10).len()), (2, 1));
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}
