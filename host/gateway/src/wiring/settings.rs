//! What follows from several settings together. Everything else reaches its adapter as it was read.

use portico_core::limits::Limits;
use portico_http::{DialectLimits, HttpConfig, Rate, SignUp};
use portico_net::NetConfig;

use crate::config::{Config, RateLimits, SignUpPolicy};

/// The outbound client may reach this machine only where nobody else can reach the API.
pub(super) fn net_config(config: &Config) -> NetConfig {
    let allow_loopback = config.sandbox.in_use() && config.server.is_local();
    if allow_loopback {
        tracing::info!("sandbox mode: webhooks may go to this machine's loopback addresses");
    } else if config.sandbox.in_use() {
        tracing::info!(
            "sandbox mode, and others can reach the API: webhooks may not go to loopback addresses (`outbound.allow` lets \
             some through), and sign-up is closed (`server.sign_up` opens it)"
        );
    }
    NetConfig { allow_loopback, ..config.outbound.clone() }
}

/// Sign-up, the banner of the pages, and rates that fit together.
pub(super) fn http_config(config: &Config) -> HttpConfig {
    let server = &config.server;
    let open = match server.sign_up {
        SignUpPolicy::Open => true,
        SignUpPolicy::Closed => false,
        SignUpPolicy::Auto => config.sandbox.in_use() && server.is_local(),
    };
    let limited = |rate: Option<Rate>| rate.filter(|_| server.rate_limits == RateLimits::On);
    let http = server.http.clone();
    HttpConfig {
        sign_up: if open { SignUp::Open } else { SignUp::Closed },
        base_url: server.base_url(),
        component_bytes_max: config.plugins.limits.component_bytes,
        sandbox_banner: config.sandbox.in_use().then(|| "Sandbox network: nothing here reaches WhatsApp.".to_owned()),
        rate_per_key: limited(http.rate_per_key),
        // A tenant gets no less than one of its keys.
        rate_per_tenant: limited(http.rate_per_tenant.max(http.rate_per_key)),
        rate_anonymous: limited(http.rate_anonymous),
        dialect_limits: match server.rate_limits {
            RateLimits::On => http.dialect_limits,
            RateLimits::Off => DialectLimits::Raised,
        },
        ..http
    }
}

/// Limits of the rules. Attempts at logging in count as requests do: not at all where rate limits are off.
pub(super) fn limits(config: &Config) -> Limits {
    let limits = config.limits.clone();
    match config.server.rate_limits {
        RateLimits::On => limits,
        RateLimits::Off => Limits {
            login_failures_per_address: u32::MAX,
            login_failures_per_account: u32::MAX,
            sign_ups_per_address: u32::MAX,
            ..limits
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_limits_are_lifted_together_and_a_tenant_gets_no_less_than_a_key() {
        let mut config = Config::default();
        config.server.http.rate_per_key = Some(Rate::from(60_000));
        let http = http_config(&config);
        assert_eq!(http.rate_per_key, Some(Rate { per_minute: 60_000, burst: 15_000 }));
        assert_eq!(http.rate_per_tenant, http.rate_per_key);
        config.server.rate_limits = RateLimits::Off;
        let http = http_config(&config);
        assert_eq!((http.rate_per_key, http.rate_per_tenant, http.rate_anonymous), (None, None, None));
        assert_eq!(http.dialect_limits, DialectLimits::Raised);
    }
}
