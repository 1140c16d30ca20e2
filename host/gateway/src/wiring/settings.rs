//! What each adapter is told, out of the configuration.

use std::time::Duration;

use anyhow::Result;
use portico_http::{HttpConfig, Rate, SignUp};
use portico_jobs::JobsConfig;
use portico_net::NetConfig;
use portico_store::{Location, StoreConfig};

use crate::config::{Config, RateLimits, SignUpPolicy, StorageSection, Synchronous};

/// The store's settings.
pub(crate) fn store_config(storage: &StorageSection) -> StoreConfig {
    let synchronous = match storage.synchronous {
        Synchronous::Full => portico_store::Synchronous::Full,
        Synchronous::Normal => portico_store::Synchronous::Normal,
    };
    let location = match &storage.database {
        Some(url) => Location::Url(url.clone()),
        None => Location::File(storage.data.join("portico.db")),
    };
    StoreConfig {
        location,
        synchronous,
        sqlite_readers: storage.connections,
        postgres_connections: storage.connections,
        ..StoreConfig::default()
    }
}

/// Those of the way out.
pub(super) fn net_config(config: &Config) -> Result<NetConfig> {
    let allow_loopback = config.sandbox.in_use() && config.server.is_local();
    if allow_loopback {
        tracing::info!("sandbox mode: webhooks may go to this machine's loopback addresses");
    } else if config.sandbox.in_use() {
        tracing::info!(
            "sandbox mode, and others can reach the API: webhooks may not go to loopback addresses (`outbound.allow` lets \
             some through), and sign-up is closed (`server.sign_up` opens it)"
        );
    }
    Ok(NetConfig { allow: config.outbound.networks()?, allow_loopback, ..NetConfig::default() })
}

/// Those of the HTTP side.
pub(super) fn http_config(config: &Config) -> HttpConfig {
    let server = &config.server;
    let limited = server.rate_limits == RateLimits::On;
    let open = match server.sign_up {
        SignUpPolicy::Open => true,
        SignUpPolicy::Closed => false,
        SignUpPolicy::Auto => config.sandbox.in_use() && server.is_local(),
    };
    let defaults = HttpConfig::default();
    let rate = |per_minute: u32| limited.then_some(Rate { per_minute, burst: per_minute.div_ceil(4) });
    HttpConfig {
        sign_up: if open { SignUp::Open } else { SignUp::Closed },
        sandbox_banner: config.sandbox.in_use().then(|| "Sandbox network: nothing here reaches WhatsApp.".to_owned()),
        body_bytes_max: server.body_bytes_max,
        request_timeout: Duration::from_secs(server.request_timeout_s),
        rate_per_key: rate(server.requests_per_minute),
        rate_per_tenant: rate(server.tenant_requests_per_minute.max(server.requests_per_minute)),
        rate_anonymous: if limited { defaults.rate_anonymous } else { None },
        streams_per_tenant: server.streams_per_tenant,
        ..defaults
    }
}

/// Those of the background tasks.
pub(super) fn jobs_config(config: &Config) -> JobsConfig {
    let tuning = &config.tuning;
    let days = |n: u32| Duration::from_secs(u64::from(n) * 86_400);
    let mut jobs = JobsConfig::default();
    jobs.sessions.at_once = tuning.restore_parallel;
    jobs.deliver.slots_max = tuning.deliveries_at_once;
    jobs.deliver.slots_per_tenant = tuning.deliveries_at_once.div_ceil(4);
    jobs.reap.events = days(tuning.keep_events_days);
    jobs.reap.deliveries = days(tuning.keep_deliveries_days);
    jobs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_limits_are_lifted_together_and_a_tenant_gets_no_less_than_a_key() {
        let mut config = Config::default();
        config.server.requests_per_minute = 60_000;
        let http = http_config(&config);
        assert_eq!(http.rate_per_key, Some(Rate { per_minute: 60_000, burst: 15_000 }));
        assert_eq!(http.rate_per_tenant, http.rate_per_key);
        config.server.rate_limits = RateLimits::Off;
        let http = http_config(&config);
        assert_eq!((http.rate_per_key, http.rate_per_tenant, http.rate_anonymous), (None, None, None));
    }
}
