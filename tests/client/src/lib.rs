//! A client of the protocol library without the gateway: what tests hold the sandbox network to, and what the benchmark compares
//! the gateway with.
//!
//! Left to others: scripting phones (the sandbox) and asserting. Invariant: it dials the sandbox it was given and nothing else.

use std::sync::Arc;
use std::time::Duration;

use portico_sandbox::{MEDIA_HOST, Phone, Sandbox};
use whatsapp_rust::anyhow;
use whatsapp_rust::async_channel::Receiver;
use whatsapp_rust::async_trait;
use whatsapp_rust::http::UreqHttpClient;
use whatsapp_rust::prelude::*;
use whatsapp_rust::transport::TokioWebSocketTransportFactory;
use whatsapp_rust::wacore::net::{HttpClient, HttpRequest, HttpResponse, StreamingHttpResponse, UploadBody};
use whatsapp_rust::wacore::store::in_memory::InMemoryBackend;
use whatsapp_rust::wacore::store::traits::Backend;

/// How long a caller waits for a state or an event before that is an error.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for a state that no event announces: asks every 5 ms, for at most 20 s.
///
/// # Errors
/// When the state did not come in time.
pub async fn wait_until(holds: impl Fn() -> bool) -> anyhow::Result<()> {
    let looking = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.map_err(|_| anyhow::anyhow!("the state did not come in time"))
}

/// A running client, with the events it raised in a channel.
pub struct TestClient {
    /// The protocol library's client.
    pub client: Arc<Client>,
    bot: BotHandle,
    events: Receiver<Arc<Event>>,
    _subscription: Subscription,
}

impl TestClient {
    /// A client with an empty store in memory.
    ///
    /// # Errors
    /// When the client can't be built.
    pub async fn new(sandbox: &Sandbox) -> anyhow::Result<Self> {
        Self::with_store(sandbox, Arc::new(InMemoryBackend::new())).await
    }

    /// A client over a store that may hold a linked device already.
    ///
    /// # Errors
    /// When the client can't be built.
    pub async fn with_store(sandbox: &Sandbox, store: Arc<dyn Backend>) -> anyhow::Result<Self> {
        Self::connect(sandbox.ws_url(), sandbox.media_base(), store).await
    }

    /// A client of a sandbox in another process: its WebSocket URL, and the URL of its media host.
    ///
    /// # Errors
    /// When the client can't be built.
    pub async fn connect(ws_url: String, media_base: String, store: Arc<dyn Backend>) -> anyhow::Result<Self> {
        let bot = Bot::builder()
            .with_backend_arc(store)
            .with_transport_factory(TokioWebSocketTransportFactory::new().with_url(ws_url))
            .with_http_client(LoopbackHttp { inner: UreqHttpClient::new(), base: media_base })
            .with_runtime(TokioRuntime)
            .with_version((2, 3000, 1_023_000_000))
            .with_wanted_pre_key_count(30)
            .build()
            .await?;
        let client = bot.client();
        let (handler, events) = ChannelEventHandler::new();
        let subscription = client.subscribe_handler(handler);
        Ok(Self { bot: bot.spawn(), client, events, _subscription: subscription })
    }

    /// A client linked to a phone by QR, connected.
    ///
    /// # Errors
    /// When it does not come within 20 s.
    pub async fn linked(sandbox: &Sandbox, phone: &Phone) -> anyhow::Result<Self> {
        let client = Self::new(sandbox).await?;
        phone.scan_qr(&client.qr().await?).await?;
        client.connected().await?;
        Ok(client)
    }

    /// The next QR text.
    ///
    /// # Errors
    /// When it does not come within 20 s.
    pub async fn qr(&self) -> anyhow::Result<String> {
        self.next("a QR", |event| match event {
            Event::PairingQrCode(qr) => Some(qr.code.clone()),
            _ => None,
        })
        .await
    }

    /// Waits until the client says it is connected.
    ///
    /// # Errors
    /// When it does not come within 20 s.
    pub async fn connected(&self) -> anyhow::Result<()> {
        self.next("connected", |event| matches!(event, Event::Connected(_)).then_some(())).await
    }

    /// The next text, with its id.
    ///
    /// # Errors
    /// When it does not come within 20 s.
    pub async fn next_text(&self) -> anyhow::Result<(String, String)> {
        self.next("a text", |event| match event {
            Event::Messages(batch) => {
                batch.iter().find_map(|one| Some((one.message.text_content()?.to_owned(), one.info.id.clone())))
            }
            _ => None,
        })
        .await
    }

    /// The next event a test asks for, skipping others.
    ///
    /// # Errors
    /// When it does not come within 20 s.
    pub async fn next<T>(&self, what: &str, pick: impl Fn(&Event) -> Option<T>) -> anyhow::Result<T> {
        let waiting = async {
            loop {
                if let Some(found) = pick(&*self.events.recv().await?) {
                    return anyhow::Ok(found);
                }
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.map_err(|_| anyhow::anyhow!("no {what} in time"))?
    }

    /// Sends a text to a number and gives the message id.
    ///
    /// # Errors
    /// When the client can't send.
    pub async fn send_text(&self, number: &str, text: &str) -> anyhow::Result<String> {
        let message = wa::Message { conversation: Some(text.to_owned()), ..Default::default() };
        Ok(self.client.send_message(Jid::pn(number), message).await?.message_id)
    }

    /// Stops the client.
    pub async fn stop(self) {
        self.bot.shutdown().await;
    }
}

/// Maps the sandbox's media host to loopback and refuses everything else.
#[derive(Clone)]
struct LoopbackHttp {
    inner: UreqHttpClient,
    base: String,
}

impl LoopbackHttp {
    fn map(&self, mut request: HttpRequest) -> anyhow::Result<HttpRequest> {
        let path = request.url.strip_prefix(&format!("https://{MEDIA_HOST}")).map(str::to_owned);
        let path = path.ok_or_else(|| anyhow::anyhow!("a sandbox client must stay on loopback"))?;
        request.url = format!("{}{path}", self.base);
        Ok(request)
    }
}

#[async_trait]
impl HttpClient for LoopbackHttp {
    async fn execute(&self, request: HttpRequest) -> anyhow::Result<HttpResponse> {
        self.inner.execute(self.map(request)?).await
    }

    fn supports_streaming(&self) -> bool {
        true
    }

    fn execute_streaming(&self, request: HttpRequest) -> anyhow::Result<StreamingHttpResponse> {
        self.inner.execute_streaming(self.map(request)?)
    }

    fn supports_upload_streaming(&self) -> bool {
        true
    }

    fn execute_upload(&self, request: HttpRequest, body: UploadBody, length: u64) -> anyhow::Result<HttpResponse> {
        self.inner.execute_upload(self.map(request)?, body, length)
    }
}
