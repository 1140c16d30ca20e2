//! The commands that ask a running gateway, over its REST API.

use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Args;
use portico_net::ApiClient;
use serde_json::{Value, json};

use super::super::block_on;

/// Which gateway, and as whom.
#[derive(Args)]
pub(in crate::command) struct Remote {
    /// Where the gateway listens.
    #[arg(long, value_name = "URL", env = "PORTICO_GATEWAY", default_value = "http://127.0.0.1:3000")]
    gateway: String,
    /// The key to come with. Better set in the environment: other users of the machine can see arguments.
    #[arg(long, value_name = "KEY", env = "PORTICO_KEY", hide_env_values = true)]
    key: Option<String>,
}

/// A plugin, for the tenant or for one device.
#[derive(Args)]
pub(in crate::command) struct Target {
    /// The plugin's id.
    plugin: String,
    /// For this device only, by its id.
    #[arg(long, value_name = "ID")]
    device: Option<String>,
}

impl Target {
    fn enablement(&self) -> String {
        match &self.device {
            None => format!("/v1/plugins/{}/enablement", self.plugin),
            Some(device) => format!("/v1/devices/{device}/plugins/{}", self.plugin),
        }
    }

    fn effective(&self) -> String {
        match &self.device {
            None => format!("/v1/plugins/{}/effective", self.plugin),
            Some(device) => format!("/v1/devices/{device}/plugins/{}/effective", self.plugin),
        }
    }
}

impl Remote {
    pub(super) fn list(&self) -> Result<()> {
        let list = self.ask("GET", "/v1/plugins", None)?;
        for plugin in list["items"].as_array().into_iter().flatten() {
            let hooks: Vec<_> = plugin["hooks"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let text = |name: &str| plugin[name].as_str().unwrap_or_default().to_owned();
            println!("{} {} ({}): {}", text("id"), text("version"), text("state"), text("name"));
            println!("  sha256  {}", text("digest"));
            println!("  hooks   {}", hooks.join(", "));
        }
        Ok(())
    }

    pub(super) fn install(&self, file: &Path) -> Result<()> {
        let component = std::fs::read(file).with_context(|| format!("{} can't be read", file.display()))?;
        let offer = self.ask("POST", "/v1/plugins", Some(("application/wasm", component)))?;
        let text = |name: &str| offer[name].as_str().unwrap_or("-").to_owned();
        println!("{} is installed (sha256 {})", text("plugin"), text("digest"));
        match offer["default_state"].as_str() {
            Some("on") => println!("it is on for tenants that did not say anything"),
            _ => println!("it is off: switch it on with `portico plugin enable {}`", text("plugin")),
        }
        Ok(())
    }

    pub(super) fn switch(&self, target: &Target, state: &str) -> Result<()> {
        self.patch(target, &json!({ "state": state }))?;
        let whom = target.device.as_deref().unwrap_or("the tenant");
        println!("{} is {state} for {whom}", target.plugin);
        Ok(())
    }

    pub(super) fn settings(&self, target: &Target, patch: Option<&str>) -> Result<()> {
        if let Some(text) = patch {
            let settings: Value = serde_json::from_str(text).context("SETTINGS must be a JSON object")?;
            // Settings alone don't switch a plugin on that is off.
            let state = self.ask("GET", &target.effective(), None)?["state"].clone();
            self.patch(target, &json!({ "settings": settings, "state": state }))?;
        }
        let effective = self.ask("GET", &target.effective(), None)?;
        println!("{effective:#}");
        Ok(())
    }

    pub(super) fn roll_back(&self, plugin: &str) -> Result<()> {
        let offer = self.ask("POST", &format!("/v1/plugins/{plugin}/rollback"), None)?;
        println!("{plugin} is back at sha256 {}", offer["digest"].as_str().unwrap_or("-"));
        Ok(())
    }

    fn patch(&self, target: &Target, body: &Value) -> Result<Value> {
        self.ask("PATCH", &target.enablement(), Some(("application/json", body.to_string().into_bytes())))
    }

    /// One request; a problem becomes an error with its detail.
    fn ask(&self, method: &str, path: &str, body: Option<(&str, Vec<u8>)>) -> Result<Value> {
        let Some(key) = &self.key else { bail!("give a key with --key, or set PORTICO_KEY") };
        let client = ApiClient::new(&self.gateway, key)?;
        let answer = block_on(async { Ok(client.call(method, path, body).await?) })?;
        let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if (200..300).contains(&answer.status) {
            return Ok(json);
        }
        match (json["detail"].as_str(), json["code"].as_str()) {
            (Some(detail), Some(code)) => bail!("{detail} ({code})"),
            _ => bail!("the gateway answered {}", answer.status),
        }
    }
}
