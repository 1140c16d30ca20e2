//! The port of the core: which version is called for whom, and with what.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use portico_core::Error;
use portico_core::directory::Effective;
use portico_core::event::Event;
use portico_core::id::{DeviceId, TenantId};
use portico_core::plugin::OnFailure;
use portico_core::ports::Plugins;
use portico_core::ports::plugins::{
    Answer, Decision, Formatted, FormattedBatch, Handled, Hook, Outcome, PaceDevice, PaceQuery, Package, PluginFailure,
    PluginInfo, PluginRequest, Refusal, SocketAnswer, SocketCall, SocketHappening, SocketReply, Subscription,
};

use super::{Runtime, Same, check_unclaimed};
use crate::call::CallScope;
use crate::config::ComponentBytes;
use crate::kind::dialect::{Handle, Refuse};
use crate::kind::dialect_socket::Happening;
use crate::kind::{pacing, webhook_format};
use crate::load::LoadError;
use crate::plugin::Plugin;
use crate::services::Serving;

const NOT_OFFERED: &str = "it is not installed, or not offered to this tenant";

fn missing(plugin: &str, detail: &str) -> PluginFailure {
    PluginFailure { plugin: plugin.to_owned(), outcome: Outcome::Missing, detail: detail.to_owned() }
}

impl Runtime {
    /// The version that is current.
    async fn current(&self, effective: &Effective) -> Result<Arc<Plugin>, PluginFailure> {
        let code = self.code(&effective.digest).await;
        code.map_err(|error| missing(&effective.plugin, &error.told()))
    }

    /// What one plugin decides about messages of a device.
    async fn decisions(
        &self,
        effective: Arc<Effective>,
        (tenant, device): (&TenantId, &DeviceId),
        state: &PaceDevice,
        queries: &[PaceQuery],
    ) -> Result<Vec<Decision>, PluginFailure> {
        let code = self.current(&effective).await?;
        let (tenant, device) = (Some(tenant.clone()), Some(device.clone()));
        let scope = CallScope { tenant, device, effective, serving: Serving::Gateway };
        let mut decisions = Vec::with_capacity(queries.len());
        for batch in pacing::batches(state, queries) {
            decisions.extend(self.host.call(&code, &scope, &batch).await?);
        }
        Ok(decisions)
    }

    /// The version that shaped deliveries before, or the current one where there is none, it is not kept any more, or it is
    /// that of another plugin.
    async fn pinned(&self, digest: Option<&str>, effective: &Effective) -> Result<Arc<Plugin>, PluginFailure> {
        if let Some(digest) = digest
            && let Ok(code) = self.code(digest).await
            && code.id() == effective.plugin
        {
            return Ok(code);
        }
        if !effective.is_on() {
            return Err(missing(&effective.plugin, "it is off"));
        }
        self.current(effective).await
    }
}

impl LoadError {
    /// What an operator reads: the error and everything it came from.
    fn told(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        text
    }
}

impl From<LoadError> for Error {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Engine(_) | LoadError::Read { .. } | LoadError::NotAFile { .. } => {
                Self::internal("loading a plugin", error)
            }
            LoadError::NotKept(digest) => Self::not_found("version of a plugin", digest),
            LoadError::TooLarge { limit, .. } => Self::TooLarge { what: "the component", limit_bytes: limit as u64 },
            refused => Self::invalid("body", refused.told()),
        }
    }
}

#[async_trait]
impl Plugins for Runtime {
    fn list(&self) -> Arc<[PluginInfo]> {
        self.directory.snapshot().infos()
    }

    async fn install(&self, component: Vec<u8>) -> portico_core::Result<Arc<Package>> {
        let package = self.add(&ComponentBytes::Memory("upload", component.into())).await?;
        let snapshot = self.directory.snapshot();
        if let Err(taken) = check_unclaimed(snapshot.all().map(|other| &*other.package), &package, Same::Replaced) {
            self.forget(&package.info.digest).await;
            return Err(taken.into());
        }
        let (id, digest) = (&package.info.id, &package.info.digest);
        let offer = snapshot.all().find(|offered| offered.offer.plugin == *id).map(|offered| &offered.offer);
        let used = [Some(digest), offer.map(|o| &o.digest), offer.and_then(|o| o.previous_digest.as_ref())];
        self.codes.retain(id, |code| used.iter().flatten().any(|digest| *digest == code));
        tracing::info!(
            plugin.id = id,
            plugin.version = package.info.version,
            plugin.digest = digest,
            "a plugin is installed"
        );
        Ok(package)
    }

    async fn load(&self, digest: &str) -> portico_core::Result<Arc<Package>> {
        Ok(Arc::clone(&self.code(digest).await?.package))
    }

    async fn forget(&self, digest: &str) {
        self.codes.remove(digest);
        self.loader.forget(digest);
    }

    async fn format(
        &self,
        plugin: &str,
        digest: Option<&str>,
        to: &Subscription,
        events: &[Event],
    ) -> Result<FormattedBatch, PluginFailure> {
        let tenant = &to.tenant;
        let snapshot = self.directory.snapshot();
        let effective = |event: &Event| snapshot.effective(Some(tenant), event.device.as_ref(), plugin);
        let effective: Option<Vec<_>> = events.iter().map(effective).collect();
        let effective = effective.ok_or_else(|| missing(plugin, NOT_OFFERED))?;
        let mut answers = Vec::with_capacity(events.len());
        let mut shaped_by: Arc<str> = digest.unwrap_or_default().into();
        let mut rest = events;
        // Settings may differ by device, and one call has one set of them.
        for alike in effective.chunk_by(Arc::ptr_eq) {
            let (events, behind) = rest.split_at_checked(alike.len()).unwrap_or((rest, &[]));
            rest = behind;
            let (Some(effective), Some(first)) = (alike.first(), events.first()) else { continue };
            let code = self.pinned(digest, effective).await?;
            shaped_by = code.package.info.digest.as_str().into();
            let scope = CallScope {
                tenant: Some(tenant.clone()),
                device: first.device.clone().filter(|_| effective.device.is_some()),
                effective: Arc::clone(effective),
                serving: Serving::Gateway,
            };
            for batch in webhook_format::batches(to, &self.base_url, events) {
                answers.extend::<Vec<Formatted>>(self.host.call(&code, &scope, &batch).await?);
            }
        }
        Ok(FormattedBatch { digest: shaped_by, answers })
    }

    async fn pace(
        &self,
        tenant: &TenantId,
        device: &DeviceId,
        state: PaceDevice,
        queries: Vec<PaceQuery>,
    ) -> Result<Vec<Decision>, PluginFailure> {
        let mut strictest = vec![Decision::Go { delay: Duration::ZERO }; queries.len()];
        for effective in self.directory.snapshot().with_hook(Hook::Pacing, tenant, device) {
            let goes_on = effective.on_failure == Some(OnFailure::GoOn);
            let decisions = match self.decisions(effective, (tenant, device), &state, &queries).await {
                Ok(decisions) => decisions,
                Err(failure) if goes_on => {
                    tracing::warn!(tenant.id = %tenant, "plugin.id" = failure.plugin, outcome = ?failure.outcome, "messages go without a plugin that fails");
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            strictest = strictest.into_iter().zip(decisions).map(|(a, b)| pacing::stricter(a, b)).collect();
        }
        Ok(strictest)
    }

    async fn handle(&self, plugin: &str, request: PluginRequest) -> Result<Handled, PluginFailure> {
        let tenant = request.caller.as_ref().map(|caller| caller.tenant().clone());
        let snapshot = self.directory.snapshot();
        let Some(effective) = snapshot.effective(tenant.as_ref(), None, plugin).filter(|found| found.is_on()) else {
            return Ok(Handled::Pass);
        };
        let code = self.current(&effective).await?;
        let (call, serving) = Handle::new(request);
        let scope = CallScope { tenant, device: None, effective, serving };
        self.host.call(&code, &scope, &call).await
    }

    async fn refuse(&self, plugin: &str, refusal: Refusal) -> Result<Answer, PluginFailure> {
        let effective = self.directory.snapshot().effective(None, None, plugin);
        let effective = effective.ok_or_else(|| missing(plugin, NOT_OFFERED))?;
        let code = self.current(&effective).await?;
        let scope = CallScope { tenant: None, device: None, effective, serving: Serving::Gateway };
        self.host.call(&code, &scope, &Refuse::new(refusal)).await
    }

    async fn socket(&self, plugin: &str, mut call: SocketCall) -> Result<SocketAnswer, PluginFailure> {
        let tenant = call.caller.tenant().clone();
        let snapshot = self.directory.snapshot();
        let on = |device: Option<&DeviceId>| {
            snapshot.effective(Some(&tenant), device, plugin).filter(|effective| effective.is_on())
        };
        let Some(effective) = on(None) else {
            return match call.what {
                SocketHappening::Opened { .. } => Ok(SocketAnswer::Pass),
                _ => Err(missing(plugin, "it is off")),
            };
        };
        if let SocketHappening::Events { state, events, .. } = &mut call.what {
            events.retain(|event| on(event.device.as_ref()).is_some());
            if events.is_empty() {
                let state = std::mem::take(state);
                return Ok(SocketAnswer::Reply(SocketReply { state, ..SocketReply::default() }));
            }
        }
        let code = self.current(&effective).await?;
        let (call, serving) = Happening::new(call, self.socket_state_bytes);
        let scope = CallScope { tenant: Some(tenant), device: None, effective, serving };
        self.host.call(&code, &scope, &call).await
    }
}
