//! The network alone on fixed ports, for clients that are no part of this repository: one port for both APIs, the media
//! host over https, phones found by the clients' push names.
//!
//! `cargo run -p portico-sandbox --example network -- 127.0.0.1:8080 127.0.0.1:8443`

use portico_sandbox::{Config, Sandbox};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut addresses = std::env::args().skip(1);
    let network = addresses.next().map_or(Ok(([127, 0, 0, 1], 8080).into()), |address| address.parse())?;
    let media = addresses.next().map_or(Ok(([127, 0, 0, 1], 8443).into()), |address| address.parse())?;
    let config = Config {
        network,
        one_port: true,
        media_https: Some(media),
        phones_by_push_name: true,
        all_are_contacts: true,
        ..Config::default()
    };
    let sandbox = Sandbox::start(config).await?;
    println!("MOCK_SERVER_URL={}  media: https://{}", sandbox.ws_url(), sandbox.media_host());
    tokio::signal::ctrl_c().await?;
    sandbox.shutdown().await;
    Ok(())
}
