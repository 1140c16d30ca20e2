//! The admin API, spoken over plain HTTP as a script would.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use portico_sandbox::{Config, Sandbox};

use crate::Outcome;
use portico_client::TestClient;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// One request; status and body.
pub(crate) async fn call(sandbox: &Sandbox, method: &str, path: &str, body: &str) -> Result<(u16, Value), Failure> {
    let mut stream = TcpStream::connect(sandbox.admin_addr()).await?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: sandbox\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.split(' ').nth(1).ok_or("no status")?.parse()?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("no body")?;
    Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

#[tokio::test]
async fn a_script_drives_a_phone() -> Outcome {
    let sandbox = Sandbox::start(Config::default()).await?;
    let (status, phone) =
        call(&sandbox, "POST", "/phones", &json!({"number": "15550100002", "name": "Bob"}).to_string()).await?;
    assert_eq!((status, &phone["name"]), (201, &json!("Bob")));
    let client = TestClient::new(&sandbox).await?;
    let qr = client.qr().await?;
    let (status, paired) = call(&sandbox, "POST", "/admin/mock-phone/scan-qr?phone=15550100001", &qr).await?;
    assert_eq!((status, &paired["jid"]), (200, &json!("15550100001:1@s.whatsapp.net")));
    client.connected().await?;

    let burst = json!({"to": "15550100001", "text": "load", "count": 5}).to_string();
    let (status, sent) = call(&sandbox, "POST", "/phones/15550100002/messages", &burst).await?;
    assert_eq!((status, &sent["sent"]), (200, &json!(5)));
    for k in 1..=5 {
        assert_eq!(client.next_text().await?.0, format!("load #{k}"));
    }
    client.send_text("15550100002", "thanks").await?;
    sandbox.phone("15550100002")?.next_text().await?;
    let (_, inbox) = call(&sandbox, "GET", "/phones/15550100002/inbox?after=0&limit=1", "").await?;
    assert_eq!(inbox[0]["text"], "thanks");
    let (_, records) = call(&sandbox, "GET", "/phones/15550100002/sent", "").await?;
    assert!(records.as_array().is_some_and(|all| all.len() == 5 && all.iter().all(|one| one["ack_ms"].is_u64())));
    let (_, network) = call(&sandbox, "GET", "/network", "").await?;
    assert_eq!((&network["accounts"], &network["connected_devices"]), (&json!(2), &json!(1)));
    client.stop().await;
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn mistakes_are_answered_with_a_code_and_advice() -> Outcome {
    let sandbox = Sandbox::start(Config::default()).await?;
    for (method, path, body, status, code) in [
        ("GET", "/phones/15550100009", "", 404, "unknown_phone"),
        ("POST", "/phones", "{\"number\": \"abc\"}", 400, "invalid_number"),
        ("POST", "/phones", "not json", 400, "invalid"),
        ("POST", "/admin/mock-phone/scan-qr", "2@x,y", 400, "invalid_qr"),
        ("GET", "/nothing", "", 404, "not_found"),
        ("PUT", "/phones", "", 405, "method_not_allowed"),
    ] {
        let (got, problem) = call(&sandbox, method, path, body).await?;
        assert_eq!((got, problem["code"].as_str()), (status, Some(code)), "{method} {path}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 10));
    }
    sandbox.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn events_stream_and_resume() -> Outcome {
    let sandbox = Sandbox::start(Config::default()).await?;
    let (one, two) = (sandbox.phone("15550100001")?, sandbox.phone("15550100002")?);
    one.send_text("15550100002", "first").await?;
    assert_eq!(two.next_text().await?, "first");
    let stream = TcpStream::connect(sandbox.admin_addr()).await?;
    let mut stream = BufReader::new(stream);
    let request = "GET /phones/15550100002/events?after=0 HTTP/1.1\r\nhost: sandbox\r\n\r\n";
    stream.get_mut().write_all(request.as_bytes()).await?;
    one.send_text("15550100002", "second").await?;
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err("the stream ended".into());
        }
        if let Some(data) = line.strip_prefix("data: ") {
            let event: Value = serde_json::from_str(data)?;
            seen.extend(event["message"]["text"].as_str().map(str::to_owned));
        }
    }
    assert_eq!(seen, ["first", "second"]);
    sandbox.shutdown().await;
    Ok(())
}
